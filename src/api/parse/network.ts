import type { NetworkCreateRequest } from "../../network/index.ts";
import { boolean, type JsonObject, map, object, objects, optional, string } from "./fields.ts";

/** Body of POST /networks/create. */
export function parseNetworkCreate(o: JsonObject): NetworkCreateRequest {
  const ipam = object(o.IPAM, "IPAM");
  return {
    name: string(o, "Name"),
    driver: string(o, "Driver"),
    internal: boolean(o, "Internal"),
    attachable: boolean(o, "Attachable"),
    enableIPv4: optional(o, "EnableIPv4", boolean) ?? true,
    enableIPv6: boolean(o, "EnableIPv6"),
    ipam: {
      driver: string(ipam, "Driver"),
      options: map(ipam, "Options", string),
      config:
        objects(ipam, "Config", (item) => ({
          subnet: string(item, "Subnet"),
          gateway: string(item, "Gateway"),
          ipRange: string(item, "IPRange"),
          auxAddresses: map(item, "AuxiliaryAddresses", string),
        })) ?? [],
    },
    options: map(o, "Options", string),
    labels: map(o, "Labels", string),
  };
}
