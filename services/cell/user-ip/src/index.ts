import { UserIpService } from "@cellway/gen/cellway/audit/v1/user_ip";
import { implementContract, type ServiceModule } from "@cellway/host";
import { UserIpRow } from "./entities/user-ip.js";
import { userIps } from "./outbox/user-ips.js";
import { recordUserIp } from "./rpc/record-user-ip.js";

/** Where users came from, for control's list. */
export const userIpModule: ServiceModule = {
  name: "user_ip",
  localMode: "CELL",
  entities: [UserIpRow],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(UserIpService, { recordUserIp: recordUserIp(context) })],
  tasks: [],
  routes: [],
  sends: [userIps],
};
