import Records

/// Two hosts: a web server and its shop, and the database that the shop talks to.
enum Shop {
    static let webID = "11111111111111111111111111111111"
    static let dbID = "22222222222222222222222222222222"

    static var web: HostDump {
        var host = HostDump("web1", id: webID, "10.0.0.1", "fd00::1")
        let shop = host.program(
            "/usr/bin/python3.11", script: "/srv/shop.py", workload: "system.slice/shop.service")
        let report = host.program(
            "/usr/bin/python3.11", script: "/srv/report.py", workload: "system.slice/shop.service")
        let nginx = host.program("/usr/sbin/nginx", workload: "system.slice/nginx.service")
        let stray = host.program("/usr/sbin/nginx")
        host.file(shop, "/etc/shop.conf", .opened)
        host.file(shop, "/var/lib/shop/state", [.opened, .written])
        host.file(report, "/var/lib/shop/state", .opened)
        host.file(nginx, "/etc/nginx/nginx.conf", .opened)
        host.file(stray, "/tmp/test.conf", .opened)
        host.share(nginx, unix: "/run/shop.sock")
        host.share(shop, unix: "/run/shop.sock")
        host.connect(shop, "10.0.0.2", 5432)
        host.connect(shop, "192.0.2.9", 443)
        return host
    }

    static var db: HostDump {
        var host = HostDump("db1", id: dbID, "10.0.0.2", "fd00::2")
        let db = host.program("/usr/lib/postgresql/postgres", workload: "system.slice/postgresql.service")
        let backup = host.program("/usr/bin/backup")
        let stray = host.program("/usr/sbin/nginx")
        host.accept(db, "10.0.0.2", 5432, from: "10.0.0.1")
        host.file(db, "/var/lib/postgresql/base", [.opened, .written])
        host.file(db, "/etc/postgresql.conf", .opened)
        host.file(backup, "/etc/postgresql.conf", .opened)
        host.file(stray, "/tmp/test.conf", .opened)
        host.share(stray, unix: "/run/shop.sock")
        return host
    }
}
