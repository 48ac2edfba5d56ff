/** A difference that is right, and why. */
export interface ExpectedDifference {
  readonly reason: string;
  /** Of "LANGUAGE/NAME"; without it, all cases. */
  readonly cases?: RegExp;
  /** Of a line as `differencesOf` writes it: "WHAT: THEIRS | OURS". */
  readonly pattern: RegExp;
}

export const DIFFERENCES: readonly ExpectedDifference[] = [
  {
    reason: "A config without a working folder means /: BuildKit, and so Gantry, writes it out.",
    pattern: /^config WorkingDir: none \| "\/"$/,
  },
  {
    reason: "Buildah leaves in an image the places that its containers' own mounts were put on.",
    cases: /^(buildkit|beyond)\//,
    pattern:
      /^\/(etc|etc\/(hosts|hostname|resolv\.conf)|proc|run|run\/secrets|sys|else|t): .* new \| none$|^\/dev: .* \| removed$/,
  },
  {
    reason:
      "A folder that COPY makes is new with these builders; as with BuildKit it has the source's attributes and time.",
    pattern: /^\S+: directory 755 \d+:\d+ new \| directory 7\d\d \d+:\d+ (2005-06-07T08:09:10\.000Z|new)$/,
  },
  {
    reason: "Dockerd loses set-id bits when it changes a copied file's owner; BuildKit keeps them.",
    cases: /^classic\//,
    pattern: /: file 7(\d\d .*) \| file 47\1$/,
  },
  {
    reason:
      "The classic builder's arguments end with their stage; BuildKit's go on in stages that begin with it.",
    cases: /^classic\/(args|onbuild-triggered-once)$/,
    pattern:
      /^\/inherited: |^config Labels: .*"inherited":"".* \| .*"inherited":"given"|^history \d+: (\|0 )?\/bin\/sh .* \| \|/,
  },
  {
    reason:
      "Dockerd writes a step's arguments in the order of their names, BuildKit in that of their declaration.",
    cases: /^classic\/args$/,
    pattern: /^history 7: \|5 CHAINED=.* \| \|5 GIVEN=/,
  },
  {
    reason: "Docker's client sends the folder of an ignored Dockerfile; Gantry takes it out as ignored, too.",
    cases: /^classic\/copy-everything$/,
    pattern: /^\/all\/dockerfiles: directory .* \| none$/,
  },
  {
    reason: "Dockerd forgets the author of the image that a build begins with; BuildKit keeps it.",
    cases: /^classic\//,
    pattern: /^config Author: none \| base@example\.com$/,
  },
  {
    reason: "Dockerd's own files in /etc while a step runs change the folder's time.",
    cases: /^classic\//,
    pattern: /^\/etc: directory 755 0:0 new \| none$/,
  },
  {
    reason: "Dockerd keeps the interval of the check that HEALTHCHECK NONE takes away.",
    cases: /^classic\/healthcheck-none$/,
    pattern: /^config Healthcheck: .*"NONE".* \| \{"Test":\["NONE"\]\}$/,
  },
  {
    reason: "Dockerd makes a volume's folder when a step runs; BuildKit leaves that to the container.",
    cases: /^classic\/(volumes|run-users|inherits-everything)$/,
    pattern: /^\/.*: directory 755 0:0 new \| none$/,
  },
  {
    reason: "Dockerd writes --label as instructions at the end; BuildKit puts them into the config.",
    cases: /^classic\/labels$/,
    pattern: /^history [678]: LABEL \(empty\) \| none$/,
  },
  {
    reason: "As with BuildKit a folder stays of which everything is excluded.",
    cases: /^beyond\/copy-exclude$/,
    pattern: /^\/two\/sub\/deep: none \| directory/,
  },
  {
    reason: "Buildah's version has no --start-interval.",
    cases: /^beyond\/run-flags$/,
    pattern: /^config Healthcheck: .* \| \{"StartInterval":2000000000,/,
  },
];
