import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls

/// A host whose programs are clients of what moves, and are sent to the new address by its own agent.
struct ClientHost: Equatable, Sendable {
    /// By its certificate.
    var name: String
    var address: String
    var port: UInt16

    var value: JSONValue {
        .object([
            .init("name", .string(name)), .init("address", .string(address)),
            .init("port", .integer(Int128(port))),
        ])
    }

    init?(_ value: JSONValue) {
        guard let name = value["name"]?.string, !name.isEmpty, let address = value["address"]?.string,
            let port = value["port"]?.integer.flatMap({ UInt16(exactly: $0) }), port > 0
        else { return nil }
        (self.name, self.address, self.port) = (name, address, port)
    }
}

/// Where the programs of this host are sent when what they use has moved: nftables rules, and a hook of the user's for DNS or
/// whatever else knows the address. It is kept on the disk, since the kernel forgets rules with a restart.
struct Redirection {
    /// A program of the user's: `reconnect begin|end NAME tcp|udp OLD NEW PORT`, once for each.
    static let hook = "/etc/retinue/hooks/reconnect"

    /// Where it is kept, a file for each move.
    let folder: String

    private func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Begins one, in place of an earlier one of the same move.
    func begin(_ reconnection: Reconnection, from source: String) throws(MoveError) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(folder): \(SystemError.text(of: errno))")
        }
        let isNew = Self.read(SafeFile.read(path(reconnection.name))) != reconnection
        // First what ends it: rules that nobody knows of would stay.
        try SafeFile.write(Self.value(reconnection, source), to: path(reconnection.name))
        try NftTable.load(reconnection.nftables)
        if isNew { try runHook("begin", reconnection) }
    }

    /// Ends that of a move; none is no error.
    func end(_ name: String) throws(MoveError) {
        guard let reconnection = Self.read(SafeFile.read(path(name))) else { return }
        try NftTable.load(reconnection.ending)
        try runHook("end", reconnection)
        unlink(path(name))
    }

    /// Loads the rules of those that were begun, after the agent or the host was started.
    func recover() {
        guard let stream = opendir(folder) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard MoveOrder.isName(name), let known = Self.read(SafeFile.read(path(name))) else { continue }
            do throws(MoveError) {
                try NftTable.load(known.nftables)
            } catch {
                Diagnostics.say("\(name): \(error)")
            }
        }
    }

    private func runHook(_ verb: String, _ reconnection: Reconnection) throws(MoveError) {
        guard access(Self.hook, X_OK) == 0 else { return }
        for redirect in reconnection.redirects {
            let words = [
                Self.hook, verb, reconnection.name, redirect.isTCP ? "tcp" : "udp", redirect.old,
                redirect.new,
                String(redirect.port),
            ]
            let outcome = try Tool.run(words, seconds: 60)
            // The rules hold all the same.
            if outcome.status != 0 {
                Diagnostics.say(
                    "\(words.joined(separator: " ")): exit status \(outcome.status): \(outcome.output.prefix(300))"
                )
            }
        }
    }

    // MARK: As a tree

    static func value(_ reconnection: Reconnection, _ source: String) -> JSONValue {
        .object([
            .init("name", .string(reconnection.name)), .init("source", .string(source)),
            .init(
                "redirects",
                .array(
                    reconnection.redirects.map {
                        .object([
                            .init("transport", .string($0.isTCP ? "tcp" : "udp")),
                            .init("old", .string($0.old)),
                            .init("new", .string($0.new)), .init("port", .integer(Int128($0.port))),
                        ])
                    })),
        ])
    }

    /// Reads one; `nil` for what has anything in it that is no address or port.
    static func read(_ value: JSONValue?) -> Reconnection? {
        guard let name = value?["name"]?.string, MoveOrder.isName(name),
            let list = value?["redirects"]?.array, list.count <= 1000
        else { return nil }
        var redirects: [Reconnection.Redirect] = []
        for item in list {
            guard let transport = item["transport"]?.string, ["tcp", "udp"].contains(transport),
                let old = item["old"]?.string, let new = item["new"]?.string,
                let port = item["port"]?.integer.flatMap({ UInt16(exactly: $0) }),
                let redirect = Reconnection.Redirect(
                    isTCP: transport == "tcp", old: old, new: new, port: port)
            else { return nil }
            redirects.append(redirect)
        }
        return Reconnection(name: name, redirects: redirects)
    }
}
