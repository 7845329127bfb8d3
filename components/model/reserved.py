"""The environment variables that are the program's own, which no version's `settings` may say again.

.NET minds no case in a key, so none is minded here.
"""

from components.model.catalogue import CATALOGUE

# The program sets them, and somebody may know better: they go with a size, or with a licence.
FREE = frozenset({"mssql_memory_limit_mb", "mssql_pid"})
# Before a key of the host's own, which .NET takes off. Source:
# https://learn.microsoft.com/aspnet/core/fundamentals/configuration/#environment-variables
HOSTS = ("aspnetcore_", "dotnet_")
# What becomes a connection string too. Source:
# https://learn.microsoft.com/aspnet/core/fundamentals/configuration/#connection-string-prefixes
CONNECTIONS = ("connectionstrings__", "customconnstr_", "mysqlconnstr_", "sqlazureconnstr_", "sqlconnstr_")
# Where something listens, which probes and callers ask.
PORTS = frozenset({"urls", "http_ports", "https_ports"})
# Where a server listens, who it lets in, and where its data is, which is the volume.
SERVERS = (
    "mssql_data_dir",
    "mssql_ip_address",
    "mssql_log_dir",
    "mssql_master_",
    "mssql_sa_",
    "mssql_tcp_port",
    "rabbitmq_config_file",
    "rabbitmq_default_",
    "rabbitmq_mnesia_",
    "rabbitmq_node",
    "seq_firstrun_",
)
_SET = frozenset(
    name.lower() for service in CATALOGUE.values() for name in (*service.env, *service.secret_env)
)
# Of a section the program sets a part: the broker's, the addresses of the APIs, the audit log's folder.
_SECTIONS = (
    *{f"{name.partition('__')[0]}__" for name in _SET if "__" in name},
    *{f"{service.broker.lower()}__" for service in CATALOGUE.values() if service.broker},
)


def reserved(name: str) -> str:
    """Why a setting cannot be stated; empty where it can."""
    key = name.lower()
    own = key
    for host in HOSTS:
        own = own.removeprefix(host)
    if key in _SET - FREE or own.startswith((*_SECTIONS, *CONNECTIONS)):
        return "is set by the program itself; remove the key"
    if own in PORTS or own.startswith(("kestrel__", *SERVERS)):
        return "moves a port or a folder that the program counts on; remove the key"
    return ""
