/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_CATALOG_H
#define NETGUARD_CATALOG_H

/* Every finding there is. An id once given out keeps its meaning forever. */

#include <stddef.h>

#define NG_ID_DENIED_CONTAINER    "NG001" /* a rule denies a port of a container */
#define NG_ID_UNNAMED             "NG002" /* no rule names the port of a container */
#define NG_ID_DENIED_HOST         "NG003" /* a rule denies a port of the machine's own */
#define NG_ID_DOCKER_API          "NG004"
#define NG_ID_CLUSTER             "NG005"
#define NG_ID_DIRECT              "NG006" /* neighbours route to a container's own address */
#define NG_ID_CLUSTER_ADDRESS     "NG007" /* nodes of the swarm talk by way of a zone that may not */
#define NG_ID_HOST_NETWORK        "NG010"
#define NG_ID_LINK                "NG011"
#define NG_ID_DEFAULT_BRIDGE      "NG012"
#define NG_ID_PRIVILEGED          "NG013"
#define NG_ID_NETWORK_CAPABILITY  "NG014" /* NET_ADMIN or NET_RAW on the host's network */
#define NG_ID_ENGINE_SOCKET       "NG015" /* the engine's socket is mounted in a container */
#define NG_ID_UNENCRYPTED_OVERLAY "NG016"
#define NG_ID_INSECURE_REGISTRY   "NG017"
#define NG_ID_SEGREGATION_MEMBER  "NG020" /* on two networks that are apart */
#define NG_ID_SEGREGATION_PUBLISH "NG021" /* publishes a port where nothing is to */
#define NG_ID_SEGREGATION_REACH   "NG022" /* one gets to the other all the same */
#define NG_ID_BRIDGE_ICC          "NG030" /* from here on only by the profile `cis` */
#define NG_ID_USERLAND_PROXY      "NG031"
#define NG_ID_PRIVILEGED_PORT     "NG032" /* below 1024 on the host */
#define NG_ID_ANY_ADDRESS         "NG033" /* published on every address of the host */
#define NG_ID_SERVICE_ANY_ADDRESS "NG034" /* the same, of a swarm's service */
#define NG_ID_ONE_PLANE           "NG035" /* management and data of the swarm by one address */
#define NG_ID_NO_ENGINE_RULES     "NG036" /* the engine writes no rules into the packet filter */

#define NG_CIS_VERSION "1.6.0" /* of the CIS Docker Benchmark, whose items `cis` names */

/* One page of the catalog. Texts are of one paragraph each, without line breaks; several ways to
 * mend it are separated by \n. */
struct ng_catalog_page {
    const char *id, *title;
    const char *means, *why, *fix;
    const char *const *cis; /* items, ended by NULL; NULL: none */
};

extern const struct ng_catalog_page ng_catalog[];
extern const size_t ng_catalog_count;

/* By id, whatever its case ("ng001"); NULL: there is none. */
const struct ng_catalog_page *ng_catalog_find(const char *id);

#endif
