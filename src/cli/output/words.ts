/** The first twelve digits of an id. */
export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

/** At most `length` characters, the last of which then says that there is more. */
export function ellipsis(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** "k=v,k2=v2". */
export const labelText = (labels: Readonly<Record<string, string>> | null): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

/** Seconds since the epoch as Go prints a time: "2026-11-24 02:47:11 +0000 UTC". */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const minutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + minutes * 60_000).toISOString();
  const two = (n: number) => String(n).padStart(2, "0");
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`;
  const name = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
    .formatToParts(date)
    .find(({ type }) => type === "timeZoneName")?.value;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${zone} ${name}`;
}
