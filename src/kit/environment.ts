/** A variable of this process. Settings are read in `config.ts`; this is for a secret of which only the name is kept. */
export const variable = (name: string): string | undefined => process.env[name]

/** For a library that listens to nothing else. */
export const setVariable = (name: string, value: string): void => void (process.env[name] = value)
