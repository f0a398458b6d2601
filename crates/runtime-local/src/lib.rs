//! Containers on this machine: keeper, namespaces, cgroups, network
