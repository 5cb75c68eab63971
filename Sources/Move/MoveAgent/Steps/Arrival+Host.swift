import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls
import Text
import Transfer

/// A move to the host itself: its files at the host's own root, its programs by their units.
extension Arrival {
    /// Units that the source has named, as far as systemd runs here, and those of them that are started at boot.
    func units(_ request: JSONValue) throws(MoveError) -> (units: [String], enabled: [String]) {
        func names(_ key: String) throws(MoveError) -> [String] {
            let names = (request[key]?.array ?? []).compactMap(\.string)
            guard names.allSatisfy(SystemdUnits.isName) else { throw MoveError("no names of units") }
            return names
        }
        let (all, enabled) = (try names("units"), try names("enabled"))
        return (SystemdUnits.isBooted ? all : [], enabled)
    }

    /// Puts what was brought at the host's own root; the list of it is in the journal, on the disk, before that.
    ///
    /// - Throws: what is here already, and differs; nothing is put then.
    func place(replacing: Bool) throws(MoveError) {
        guard let receiver else { throw MoveError("nothing was brought over this connection") }
        do throws(TransferError) { try receiver.verifyPresent() } catch {
            throw MoveError("what this host has by itself was changed meanwhile: \(error)")
        }
        var placement = try HostPlacement(
            of: cell.root, for: name, replaces: replacing, yielding: try yielding())
        try journal.write(.place, .begun, placement.value)
        if placement.needsCopies {
            try placement.copy()
            placement.isCopied = true
            try journal.write(.place, .begun, placement.value)
        }
        try placement.put()
        if SystemdUnits.isBooted { try SystemdUnits.reload() }
        try journal.write(.place, .done)
    }

    private var placement: HostPlacement? {
        journal.detail(.place).flatMap { HostPlacement($0, staged: cell.root) }
    }

    /// The inverse of `place`.
    func takeBack() throws(MoveError) {
        guard journal.stands(.place) else { return }
        guard let placement else { throw MoveError("\(journal.path) does not say what was put at the host") }
        try placement.takeBack()
        if SystemdUnits.isBooted { try SystemdUnits.reload() }
        try journal.write(.place, .undone)
    }

    /// Units are started at boot only from here on: one that was before would serve after a reboot in the middle of a move, when
    /// nobody holds its clients.
    func enableUnits() {
        let units = cell.state.enabled
        guard journal.stands(.place), !units.isEmpty, journal.state(.enable) != .done else { return }
        do throws(MoveError) {
            try journal.write(.enable, .begun, .array(units.map { .string($0) }))
            try SystemdUnits.enable(units, true)
            try journal.write(.enable, .done)
        } catch { Diagnostics.say("\(name): its units are not started at boot: \(error)") }
    }

    /// What was put there stays.
    func settleHost() {
        guard journal.stands(.place), let placement else { return }
        do throws(MoveError) {
            if let folder = try placement.settle() {
                Diagnostics.say("\(name): files that gave way are in \(folder)")
            }
        } catch { Diagnostics.say("\(name): \(error)") }
    }

    /// The service goes on to another host: its files stay, and are nothing that could be taken back.
    func leaveHost() throws(MoveError) {
        if journal.stands(.enable) {
            let units = (journal.detail(.enable)?.array ?? []).compactMap(\.string)
            do throws(MoveError) { try SystemdUnits.enable(units, false) } catch {
                Diagnostics.say("\(name): its units are still started at boot: \(error)")
            }
            try journal.write(.enable, .undone)
        }
        if journal.stands(.place) { try journal.write(.place, .undone) }
        if journal.stands(.install) { try journal.write(.install, .undone) }
    }

    // MARK: What this host has

    /// Accounts by their names, since this host has its own: which numbers they have here, and which are missing.
    func mapAccounts(_ request: JSONValue) throws(MoveError) -> JSONValue {
        var map = OwnerMap()
        var missing: [String] = []
        for value in request["accounts"]?.array ?? [] {
            guard let name = value["name"]?.string, !name.isEmpty, !name.utf8.contains(0),
                let number = value["number"]?.integer.flatMap({ UInt32(exactly: $0) })
            else { throw MoveError("no account") }
            let isUser = value["kind"]?.string == "user"
            let here = Self.number(of: name, isUser: isUser)
            guard let here else {
                missing.append("\(isUser ? "user" : "group") \(Printable.text(name.utf8))")
                continue
            }
            if here != number {
                if isUser { map.users[number] = here } else { map.groups[number] = here }
            }
        }
        owners = map
        return .object([
            .init("owners", map.value), .init("missing", .array(missing.map { .string($0) })),
        ])
    }

    /// The number of an account of this host (getpwnam(3)).
    static func number(of name: String, isUser: Bool) -> UInt32? {
        isUser ? getpwnam(name)?.pointee.pw_uid : getgrnam(name)?.pointee.gr_gid
    }

    /// Compares entries that are to come with what lies at the host's own paths.
    ///
    /// Each is offered with `hash` of the content, or without at first: then `unsure` names those of which it is needed.
    func compareOwn(_ request: JSONValue) throws(MoveError) -> JSONValue {
        var differing: [JSONValue] = []
        var unsure: [JSONValue] = []
        var equal: UInt64 = 0
        var scan = FileScan(root: "/")
        let yielding = try yielding()
        for (index, value) in (request["entries"]?.array ?? []).enumerated() {
            guard let offered = OfferedEntry(value, owners) else { throw MoveError("no entry") }
            guard let here = scan.look(at: offered.entry.path)?.entry else {
                // What is there and is no file, as a socket, is in the way too.
                var status = stat()
                let name = offered.entry.path.map { CChar(bitPattern: $0) } + [0]
                if lstat(name, &status) == 0 { differing.append(.integer(Int128(index))) }
                continue
            }
            switch offered.compare(with: here) {
            case .equal: equal += here.kind == .file ? here.size : 0
            case .differs where yielding.contains(offered.entry.path): break
            case .differs: differing.append(.integer(Int128(index)))
            case .unknown: unsure.append(.integer(Int128(index)))
            }
        }
        return .object([
            .init("differs", .array(differing)), .init("unsure", .array(unsure)),
            .init("equal", .integer(Int128(equal))),
        ])
    }
}
