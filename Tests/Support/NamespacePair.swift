import Foundation

/// Two network namespaces of a test's own with a link between them; nothing of them reaches the host's
/// network. Removed with its value.
package final class NamespacePair {
    /// Their names, that nobody else has.
    package let names: [String]
    /// Their addresses on the link.
    package let addresses = ["10.0.0.1", "10.0.0.2"]

    /// Makes both, and brings up the link and each one's loopback.
    package init() throws {
        let number = UInt32.random(in: 0...UInt32.max)
        names = ["a", "b"].map { "retinue-test-\(getpid())-\(number)-\($0)" }
        do {
            for name in names { try run(["ip", "netns", "add", name]) }
            // Made inside, so that its names need not be free outside.
            try run([
                "ip", "link", "add", "link0", "netns", names[0], "type", "veth", "peer", "name", "link0",
                "netns", names[1],
            ])
            for (name, address) in zip(names, addresses) {
                try run(["ip", "-n", name, "address", "add", address + "/24", "dev", "link0"])
                try run(["ip", "-n", name, "link", "set", "lo", "up"])
                try run(["ip", "-n", name, "link", "set", "link0", "up"])
            }
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    /// The command that runs another one in a namespace.
    package func command(_ number: Int, _ command: [String]) -> [String] {
        ["ip", "netns", "exec", names[number]] + command
    }

    private func remove() {
        for name in names { _ = try? run(["ip", "netns", "delete", name]) }
    }
}
