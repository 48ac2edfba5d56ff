/** A template that cannot be parsed, or does not fit the values it is applied to. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}
