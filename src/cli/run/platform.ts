import { ExitError } from "../command/usage-error.ts";

/** OS[/ARCH[/VARIANT]] as the API's object. */
export function parsePlatformFlag(text: string): { os: string; architecture: string; variant?: string } {
  const [os = "", architecture = "", variant, ...rest] = text.split("/");
  if (os === "" || architecture === "" || rest.length > 0)
    throw new ExitError(1, `invalid platform: "${text}": want os/arch[/variant]`);
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}
