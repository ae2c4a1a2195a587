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

static const struct ng_port_match caches[] = {
    /* Hazelcast (reference manual, network configuration) */
    {.proto = NG_TCP, .lo = 5701, .hi = 5701},
    {.proto = NG_TCP, .lo = 6379, .hi = 6379}, /* Redis, Valkey (IANA redis) */
    /* Apache Geode, locator (manual, default port values) */
    {.proto = NG_TCP, .lo = 10334, .hi = 10334},
    /* Apache Ignite, thin clients (documentation, thin clients) */
    {.proto = NG_TCP, .lo = 10800, .hi = 10800},
    {.proto = 0, .lo = 11211, .hi = 11211}, /* memcached (IANA memcache; over UDP an amplifier) */
    {.proto = NG_TCP, .lo = 11222, .hi = 11222}, /* Infinispan (server guide, endpoints) */
    /* Redis and Valkey, between nodes of a cluster (cluster tutorial: client port + 10000) */
    {.proto = NG_TCP, .lo = 16379, .hi = 16379},
    {.proto = NG_TCP, .lo = 26379, .hi = 26379}, /* Redis Sentinel (Sentinel documentation) */
    /* Apache Geode, server (manual, default port values) */
    {.proto = NG_TCP, .lo = 40404, .hi = 40404},
    /* Apache Ignite, between nodes (documentation, networking) */
    {.proto = NG_TCP, .lo = 47100, .hi = 47100},
    /* Apache Ignite, discovery (documentation, networking) */
    {.proto = NG_TCP, .lo = 47500, .hi = 47500},
};

static const struct ng_port_match queues[] = {
    {.proto = NG_TCP, .lo = 1414, .hi = 1414}, /* IBM MQ (IANA ibm-mqseries) */
    {.proto = NG_TCP, .lo = 1883, .hi = 1883}, /* MQTT (IANA mqtt) */
    {.proto = NG_TCP, .lo = 4150, .hi = 4151}, /* nsqd: TCP, HTTP (nsqd documentation) */
    {.proto = NG_TCP, .lo = 4160, .hi = 4161}, /* nsqlookupd: TCP, HTTP (its documentation) */
    {.proto = NG_TCP, .lo = 4171, .hi = 4171}, /* nsqadmin (its documentation) */
    {.proto = NG_TCP, .lo = 4222, .hi = 4222}, /* NATS (server configuration) */
    {.proto = NG_TCP, .lo = 4369, .hi = 4369}, /* Erlang port mapper, of RabbitMQ (IANA epmd) */
    {.proto = NG_TCP, .lo = 4730, .hi = 4730}, /* Gearman (IANA gearman) */
    /* RabbitMQ streams: TLS, plain (RabbitMQ networking guide) */
    {.proto = NG_TCP, .lo = 5551, .hi = 5552},
    {.proto = NG_TCP, .lo = 5671, .hi = 5672}, /* AMQP: TLS, plain (IANA amqps, amqp) */
    {.proto = NG_TCP, .lo = 6222, .hi = 6222}, /* NATS, between servers (server configuration) */
    /* Apache Pulsar: plain, TLS (administration, port list) */
    {.proto = NG_TCP, .lo = 6650, .hi = 6651},
    {.proto = NG_TCP, .lo = 7419, .hi = 7420}, /* Faktory: workers, web (its wiki) */
    /* ActiveMQ, web console (its default configuration) */
    {.proto = NG_TCP, .lo = 8161, .hi = 8161},
    {.proto = NG_TCP, .lo = 8222, .hi = 8222}, /* NATS, monitoring (server configuration) */
    {.proto = NG_TCP, .lo = 8883, .hi = 8883}, /* MQTT, TLS (IANA secure-mqtt) */
    /* Kafka: clients, controllers (quick start and KRaft configuration) */
    {.proto = NG_TCP, .lo = 9092, .hi = 9093},
    {.proto = NG_TCP, .lo = 9876, .hi = 9876},   /* RocketMQ, name server (quick start) */
    {.proto = NG_TCP, .lo = 10911, .hi = 10911}, /* RocketMQ, broker (quick start) */
    {.proto = NG_TCP, .lo = 11300, .hi = 11300}, /* beanstalkd (its manual page) */
    /* RabbitMQ, management: TLS, plain (RabbitMQ networking guide) */
    {.proto = NG_TCP, .lo = 15671, .hi = 15672},
    /* RabbitMQ, between nodes (RabbitMQ networking guide) */
    {.proto = NG_TCP, .lo = 25672, .hi = 25672},
    /* STOMP: plain, TLS (RabbitMQ and ActiveMQ documentation) */
    {.proto = NG_TCP, .lo = 61613, .hi = 61614},
    {.proto = NG_TCP, .lo = 61616, .hi = 61616}, /* ActiveMQ (its default configuration) */
};

static const struct ng_port_match orchestration[] = {
    {.proto = NG_TCP, .lo = 179, .hi = 179},   /* BGP, of Calico and others (IANA bgp) */
    {.proto = NG_TCP, .lo = 4240, .hi = 4240}, /* Cilium, health (system requirements) */
    {.proto = NG_TCP, .lo = 5050, .hi = 5051}, /* Mesos: master, agent (its configuration) */
    {.proto = NG_TCP, .lo = 5473, .hi = 5473}, /* Calico Typha (system requirements) */
    {.proto = 0, .lo = 6783, .hi = 6783},      /* Weave Net: control, data (its FAQ) */
    {.proto = NG_UDP, .lo = 6784, .hi = 6784}, /* Weave Net, fast data path (its FAQ) */
    {.proto = NG_TCP, .lo = 8200, .hi = 8201}, /* Vault: API, between nodes (its configuration) */
    /* Consul: HTTPS, gRPC, gRPC with TLS (Consul, required ports) */
    {.proto = NG_TCP, .lo = 8501, .hi = 8503},
    {.proto = 0, .lo = 8600, .hi = 8600},        /* Consul, DNS (Consul, required ports) */
    {.proto = NG_TCP, .lo = 9345, .hi = 9345},   /* RKE2, supervisor (its requirements) */
    {.proto = NG_TCP, .lo = 10249, .hi = 10249}, /* kube-proxy, metrics (its reference) */
    /* kube-proxy, health (Kubernetes, ports and protocols) */
    {.proto = NG_TCP, .lo = 10256, .hi = 10256},
    /* kube-controller-manager (Kubernetes, ports and protocols) */
    {.proto = NG_TCP, .lo = 10257, .hi = 10257},
    /* kube-scheduler (Kubernetes, ports and protocols) */
    {.proto = NG_TCP, .lo = 10259, .hi = 10259},
    {.proto = NG_TCP, .lo = 16443, .hi = 16443}, /* MicroK8s API (its services and ports) */
};

static const struct ng_port_match remote_admin[] = {
    {.proto = NG_TCP, .lo = 22, .hi = 22},     /* SSH (IANA ssh) */
    {.proto = NG_TCP, .lo = 23, .hi = 23},     /* Telnet (IANA telnet) */
    {.proto = NG_UDP, .lo = 161, .hi = 161},   /* SNMP (IANA snmp) */
    {.proto = NG_UDP, .lo = 177, .hi = 177},   /* X display manager (IANA xdmcp) */
    {.proto = NG_TCP, .lo = 512, .hi = 514},   /* rexec, rlogin, rsh (IANA exec, login, shell) */
    {.proto = NG_UDP, .lo = 623, .hi = 623},   /* IPMI (IANA asf-rmcp) */
    {.proto = NG_UDP, .lo = 664, .hi = 664},   /* IPMI, secure (IANA asf-secure-rmcp) */
    {.proto = NG_TCP, .lo = 992, .hi = 992},   /* Telnet, TLS (IANA telnets) */
    {.proto = NG_TCP, .lo = 1494, .hi = 1494}, /* Citrix ICA (IANA ica) */
    {.proto = 0, .lo = 3389, .hi = 3389},      /* RDP (IANA ms-wbt-server) */
    {.proto = NG_TCP, .lo = 4899, .hi = 4899}, /* Radmin (IANA radmin-port) */
    {.proto = NG_TCP, .lo = 5631, .hi = 5631}, /* pcAnywhere (IANA pcanywheredata) */
    {.proto = NG_UDP, .lo = 5632, .hi = 5632}, /* pcAnywhere (IANA pcanywherestat) */
    /* VNC, for browsers (RealVNC and TightVNC documentation) */
    {.proto = NG_TCP, .lo = 5800, .hi = 5800},
    {.proto = NG_TCP, .lo = 5900, .hi = 5909}, /* VNC: displays 0 to 9 (IANA rfb; 5900 + display) */
    {.proto = NG_TCP, .lo = 5938, .hi = 5938}, /* TeamViewer (IANA teamviewer) */
    {.proto = NG_TCP, .lo = 5985, .hi = 5986}, /* WinRM (IANA wsman, wsmans) */
    {.proto = NG_TCP, .lo = 6000, .hi = 6063}, /* X11 (IANA x11) */
    {.proto = NG_TCP, .lo = 8006, .hi = 8006}, /* Proxmox VE (its administration guide, ports) */
    {.proto = NG_TCP, .lo = 8291, .hi = 8291}, /* MikroTik WinBox (RouterOS, services) */
    {.proto = NG_TCP, .lo = 9090, .hi = 9090}, /* Cockpit (its guide) */
    {.proto = NG_TCP, .lo = 10000, .hi = 10000}, /* Webmin (its documentation) */
};

static const struct ng_port_match metrics[] = {
    {.proto = NG_TCP, .lo = 2003, .hi = 2004}, /* Graphite: plain, pickle (Carbon configuration) */
    {.proto = NG_UDP, .lo = 2003, .hi = 2003}, /* Graphite (Carbon configuration) */
    {.proto = NG_TCP, .lo = 3100, .hi = 3100}, /* Loki (its configuration) */
    {.proto = NG_TCP, .lo = 4317, .hi = 4318}, /* OpenTelemetry: gRPC, HTTP (OTLP specification) */
    {.proto = NG_TCP, .lo = 5044, .hi = 5044}, /* Logstash, Beats (its plugin documentation) */
    {.proto = NG_TCP, .lo = 5601, .hi = 5601}, /* Kibana (its settings) */
    {.proto = NG_UDP, .lo = 6831, .hi = 6832}, /* Jaeger, agent (deployment guide) */
    {.proto = 0, .lo = 8125, .hi = 8125},      /* StatsD (its example configuration) */
    /* StatsD, administration (its example configuration) */
    {.proto = NG_TCP, .lo = 8126, .hi = 8126},
    {.proto = NG_TCP, .lo = 8428, .hi = 8429}, /* VictoriaMetrics, vmagent (their documentation) */
    /* Prometheus (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9090, .hi = 9090},
    /* Pushgateway (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9091, .hi = 9091},
    /* Alertmanager: HTTP, cluster (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9093, .hi = 9094},
    /* Alertmanager, cluster (Prometheus wiki, default port allocations) */
    {.proto = NG_UDP, .lo = 9094, .hi = 9094},
    /* exporters for Prometheus: node, and the first of others (Prometheus wiki, default port
       allocations) */
    {.proto = NG_TCP, .lo = 9100, .hi = 9127},
    /* exporter for PostgreSQL (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9187, .hi = 9187},
    /* exporter for MongoDB (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9216, .hi = 9216},
    /* exporter for Kafka (Prometheus wiki, default port allocations) */
    {.proto = NG_TCP, .lo = 9308, .hi = 9308},
    /* Docker Engine, metrics (Docker, collect metrics with Prometheus) */
    {.proto = NG_TCP, .lo = 9323, .hi = 9323},
    {.proto = NG_TCP, .lo = 9411, .hi = 9411}, /* Zipkin (quick start) */
    {.proto = NG_TCP, .lo = 9600, .hi = 9600}, /* Logstash, monitoring (its API) */
    /* Zabbix: agent, server (IANA zabbix-agent, zabbix-trapper) */
    {.proto = NG_TCP, .lo = 10050, .hi = 10051},
    {.proto = 0, .lo = 12201, .hi = 12201},      /* Graylog, GELF (its inputs) */
    {.proto = NG_TCP, .lo = 14250, .hi = 14250}, /* Jaeger, collector: gRPC (deployment guide) */
    {.proto = NG_TCP, .lo = 14268, .hi = 14268}, /* Jaeger, collector: HTTP (deployment guide) */
    {.proto = NG_TCP, .lo = 16686, .hi = 16686}, /* Jaeger, web (deployment guide) */
    {.proto = NG_TCP, .lo = 19999, .hi = 19999}, /* Netdata (its configuration) */
    {.proto = 0, .lo = 24224, .hi = 24224},      /* Fluentd (its forward input) */
    {.proto = NG_UDP, .lo = 25826, .hi = 25826}, /* collectd (its network plugin) */
};

const struct ng_port_group ng_built_in_groups[] = {
    {"@caches", caches, ARRAY_SIZE(caches), {NULL}},
    {"@cluster", cluster, ARRAY_SIZE(cluster), {NULL}},
    {"@databases", databases, ARRAY_SIZE(databases), {NULL}},
    {"@docker-api", docker_api, ARRAY_SIZE(docker_api), {NULL}},
    {"@metrics", metrics, ARRAY_SIZE(metrics), {NULL}},
    {"@orchestration", orchestration, ARRAY_SIZE(orchestration), {"@cluster", "@docker-api"}},
    {"@queues", queues, ARRAY_SIZE(queues), {NULL}},
    {"@remote-admin", remote_admin, ARRAY_SIZE(remote_admin), {NULL}},
};

const size_t ng_n_built_in_groups = ARRAY_SIZE(ng_built_in_groups);
