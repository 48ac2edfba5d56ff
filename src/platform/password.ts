/** The longest part of a password that bcrypt looks at. */
const BCRYPT_BYTES = 72;

/**
 * Whether a password fits a bcrypt hash ("$2y$…", as htpasswd -B writes it). Computed in a thread. Rejects for a hash of
 * another kind. Cut to what bcrypt sees, because Bun hashes longer passwords first, which no other program does.
 */
export async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const seen = Buffer.from(password).subarray(0, BCRYPT_BYTES);
  if (seen.length === 0 || seen.includes(0)) return false;
  return await Bun.password.verify(seen, hash, "bcrypt");
}
