/** Settings that cannot be: says what is wrong, where (flag, variable, or line of the file), and what to do. Exit code 2. */
export class SettingsError extends Error {
  override name = 'SettingsError'
}
