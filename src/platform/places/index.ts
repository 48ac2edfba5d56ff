/** Apart from the rest of the folder, as the channel is: a client asks here before anything else. */
export { type UserPlaces, userHost, userPlaces } from "./user-places.ts";
