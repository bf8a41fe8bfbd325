/** Who comes with a token of an issuer is a row among the keys: `issuer` is whose token, the hash is of issuer and subject. */
export const sql = `
alter table keys add column issuer text
`
