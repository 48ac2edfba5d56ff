/** What a check of a Dockerfile found. */
export interface Finding {
  /** BuildKit's name of the rule: "StageNameCasing". */
  readonly rule: string;
  readonly message: string;
  readonly url: string;
  readonly line: number;
  readonly endLine: number;
}
