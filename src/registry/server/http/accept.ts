/** Whether an Accept header (several lines are one list) takes the media type. None takes everything; q=0 refuses (RFC 9110, section 12.5.1). */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === "") return true;
  const family = `${mediaType.slice(0, mediaType.indexOf("/"))}/*`;
  return header.split(",").some((entry) => {
    const [type = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) return false;
    return type === mediaType || type === family || type === "*/*";
  });
}
