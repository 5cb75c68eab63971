import Foundation

/// Network namespaces of a test's own around a bridge, which has one to itself: hosts in a rack. Nothing of
/// them reaches the host's network. Removed with its value.
package final class NamespaceSwitch {
    /// The namespaces' names, that nobody else has, by the names that the test gave them.
    package let names: [String: String]
    /// An address for each.
    package let addresses: [String: String]
    private let bridge: String

    /// Makes a namespace for each name, with an address in 10.20.0.0/24 in the order of the names.
    package init(_ hosts: [String]) throws {
        let prefix = "retinue-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        bridge = prefix + "-switch"
        names = Dictionary(uniqueKeysWithValues: hosts.map { ($0, "\(prefix)-\($0)") })
        addresses = Dictionary(
            uniqueKeysWithValues: hosts.enumerated().map { ($1, "10.20.0.\($0 + 1)") })
        do {
            try run(["ip", "netns", "add", bridge])
            try run(["ip", "-n", bridge, "link", "add", "bridge", "type", "bridge"])
            try run(["ip", "-n", bridge, "link", "set", "bridge", "up"])
            for host in hosts { try connect(host) }
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    private func connect(_ host: String) throws {
        guard let name = names[host], let address = addresses[host] else { return }
        try run(["ip", "netns", "add", name])
        try run([
            "ip", "link", "add", "link0", "netns", name, "type", "veth", "peer", "name", host, "netns",
            bridge,
        ])
        try run(["ip", "-n", name, "address", "add", address + "/24", "dev", "link0"])
        try run(["ip", "-n", name, "link", "set", "lo", "up"])
        try run(["ip", "-n", name, "link", "set", "link0", "up"])
        try run(["ip", "-n", bridge, "link", "set", host, "master", "bridge", "up"])
    }

    /// The command that runs another one in a namespace.
    package func command(_ host: String, _ command: [String]) -> [String] {
        ["ip", "netns", "exec", names[host] ?? host] + command
    }

    private func remove() {
        for name in names.values + [bridge] where access("/run/netns/" + name, F_OK) == 0 {
            _ = try? run(["ip", "netns", "delete", name])
        }
    }
}
