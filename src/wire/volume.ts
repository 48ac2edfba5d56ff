/** The Docker Engine API's volume (API 1.51). */
export interface VolumeInspect {
  CreatedAt: string;
  Driver: string;
  Labels: Readonly<Record<string, string>> | null;
  Mountpoint: string;
  Name: string;
  Options: Readonly<Record<string, string>> | null;
  Scope: string;
}
