/** A YAML document as JSON would have it. Throws SyntaxError. */
export const parseYaml = (text: string): unknown => Bun.YAML.parse(text);
