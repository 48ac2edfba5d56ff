import { ExitError } from "../command/usage-error.ts";

/** OS[/ARCH[/VARIANT]] as the API's object. */
function parsePlatformFlag(text: string): { os: string; architecture: string; variant?: string } {
  const [os = "", architecture = "", variant, ...rest] = text.split("/");
  if (os === "" || architecture === "" || rest.length > 0)
    throw new ExitError(1, `invalid platform: "${text}": want os/arch[/variant]`);
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** A platform as a query of the API has it; undefined for "". */
export const platformQuery = (text: string): string | undefined =>
  text === "" ? undefined : JSON.stringify(parsePlatformFlag(text));
