// etcd's own main module cannot be installed by version because of its replace directives.
module bed/etcd

go 1.25.0

require go.etcd.io/etcd/server/v3 v3.6.16
