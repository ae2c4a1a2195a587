/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in port groups: the registered or customary ports of services that should not be
 * reached from outside. A port that much else uses as well (7000, 8000, 8091, 9000, 50000)
 * is left out: a false alarm costs more trust than it saves, and such a service is nearly
 * always published together with one of the ports below. */
#include "policy/language/ports.h"

static const struct ng_port_match databases[] = {
    {.proto = NG_TCP, .lo = 1433, .hi = 1433},   /* SQL Server */
    {.proto = NG_UDP, .lo = 1434, .hi = 1434},   /* its browser, which answers with all instances */
    {.proto = NG_TCP, .lo = 1521, .hi = 1521},   /* Oracle */
    {.proto = NG_TCP, .lo = 3050, .hi = 3050},   /* Firebird */
    {.proto = NG_TCP, .lo = 3306, .hi = 3306},   /* MySQL, MariaDB */
    {.proto = NG_TCP, .lo = 5432, .hi = 5432},   /* PostgreSQL */
    {.proto = NG_TCP, .lo = 5984, .hi = 5984},   /* CouchDB */
    {.proto = NG_TCP, .lo = 6333, .hi = 6334},   /* Qdrant */
    {.proto = NG_TCP, .lo = 6379, .hi = 6379},   /* Redis, Valkey */
    {.proto = NG_TCP, .lo = 6432, .hi = 6432},   /* PgBouncer */
    {.proto = NG_TCP, .lo = 6984, .hi = 6984},   /* CouchDB, TLS */
    {.proto = NG_TCP, .lo = 7199, .hi = 7199},   /* Cassandra, JMX */
    {.proto = NG_TCP, .lo = 7474, .hi = 7474},   /* Neo4j, HTTP */
    {.proto = NG_TCP, .lo = 7687, .hi = 7687},   /* Neo4j, Bolt */
    {.proto = NG_TCP, .lo = 8086, .hi = 8086},   /* InfluxDB */
    {.proto = NG_TCP, .lo = 8123, .hi = 8123},   /* ClickHouse, HTTP */
    {.proto = NG_TCP, .lo = 8529, .hi = 8529},   /* ArangoDB */
    {.proto = NG_TCP, .lo = 9042, .hi = 9042},   /* Cassandra, ScyllaDB */
    {.proto = NG_TCP, .lo = 9092, .hi = 9092},   /* Kafka */
    {.proto = NG_TCP, .lo = 9142, .hi = 9142},   /* Cassandra, TLS */
    {.proto = NG_TCP, .lo = 9200, .hi = 9200},   /* Elasticsearch, OpenSearch */
    {.proto = NG_TCP, .lo = 9300, .hi = 9300},   /* the same, between nodes */
    {.proto = NG_TCP, .lo = 9440, .hi = 9440},   /* ClickHouse, TLS */
    {.proto = NG_TCP, .lo = 11210, .hi = 11210}, /* Couchbase */
    {.proto = 0, .lo = 11211, .hi = 11211},      /* memcached; over UDP an amplifier */
    {.proto = NG_TCP, .lo = 19530, .hi = 19530}, /* Milvus */
    {.proto = NG_TCP, .lo = 26257, .hi = 26257}, /* CockroachDB */
    {.proto = NG_TCP, .lo = 26379, .hi = 26379}, /* Redis Sentinel */
    {.proto = NG_TCP, .lo = 27017, .hi = 27019}, /* MongoDB: server, shard, config server */
    {.proto = NG_TCP, .lo = 28015, .hi = 28015}, /* RethinkDB */
    {.proto = NG_TCP, .lo = 29015, .hi = 29015}, /* the same, between nodes */
    {.proto = NG_TCP, .lo = 33060, .hi = 33060}, /* MySQL X protocol */
};

static const struct ng_port_match cluster[] = {
    {.proto = NG_TCP, .lo = 2181, .hi = 2181}, /* ZooKeeper */
    {.proto = NG_TCP, .lo = 2377, .hi = 2377}, /* Docker Swarm managers */
    {.proto = NG_TCP, .lo = 2379, .hi = 2380}, /* etcd: clients, peers */
    {.proto = NG_TCP, .lo = 4646, .hi = 4647}, /* Nomad: HTTP, RPC */
    {.proto = 0, .lo = 4648, .hi = 4648},      /* Nomad, gossip */
    {.proto = NG_UDP, .lo = 4789, .hi = 4789}, /* VXLAN, the data path of overlay networks */
    {.proto = NG_TCP, .lo = 6443, .hi = 6443}, /* Kubernetes API */
    {.proto = 0, .lo = 7946, .hi = 7946},      /* Docker Swarm, gossip */
    {.proto = NG_TCP, .lo = 8300, .hi = 8300}, /* Consul, RPC */
    {.proto = 0, .lo = 8301, .hi = 8302},      /* Consul, gossip */
    {.proto = NG_UDP, .lo = 8472, .hi = 8472}, /* VXLAN before it had a registered port: Flannel */
    {.proto = NG_TCP, .lo = 8500, .hi = 8500}, /* Consul, HTTP */
    {.proto = NG_TCP, .lo = 10250, .hi = 10250}, /* kubelet */
    {.proto = NG_TCP, .lo = 10255, .hi = 10255}, /* kubelet, read only */
};

static const struct ng_port_match docker_api[] = {
    {.proto = NG_TCP, .lo = 2375, .hi = 2376}, /* plain, TLS */
};

const struct ng_port_group ng_built_in_groups[] = {
    {"@cluster", cluster, ARRAY_SIZE(cluster)},
    {"@databases", databases, ARRAY_SIZE(databases)},
    {"@docker-api", docker_api, ARRAY_SIZE(docker_api)},
};

const size_t ng_n_built_in_groups = ARRAY_SIZE(ng_built_in_groups);
