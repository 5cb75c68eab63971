import Glibc
import Records
import SystemCalls
import Transfer
import Transport

/// A host whose programs call a server that is being handed over: its agent puts a stand-in in the server's place.
///
/// What the source asks for, one connection at a time. The stand-in ends by itself when nobody says in time where the server is
/// now; then packets go to the old place again.
final class Following: @unchecked Sendable {
    let name: String
    let source: String
    private let folder: String
    private let journal: Journal
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init(_ name: String, of source: String, in folder: String) throws(MoveError) {
        (self.name, self.source, self.folder) = (name, source, "\(folder)/\(name)")
        for path in [folder, self.folder] {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
        journal = try Journal(self.folder + "/journal")
        Fault.watch(journal)
        pthread_mutex_init(lock, nil)
        try SafeFile.write(.object([.init("source", .string(source))]), to: self.folder + "/following.json")
    }

    /// One that an agent before this one has left.
    static func left(_ name: String, in folder: String) throws(MoveError) -> Following? {
        guard let source = SafeFile.read("\(folder)/\(name)/following.json")?["source"]?.string else {
            return nil
        }
        return try Following(name, of: source, in: folder)
    }

    private var process: StandInProcess? { StandInProcess(at: folder) }

    /// `passing`, `held`, `gone`.
    var state: String {
        journal.stands(.announce) ? "passing" : journal.stands(.standIn) ? "held" : "gone"
    }

    var value: JSONValue {
        .object([
            .init("name", .string(name)), .init("from", .string(source)), .init("state", .string(state)),
            .init("running", .boolean(process?.isRunning ?? false)),
        ])
    }

    /// After the agent was started: a stand-in that still runs goes on; one that knows where the server is runs again; the rest ends.
    func recover() {
        guard let process, !process.isRunning else { return }
        do throws(MoveError) {
            if journal.stands(.announce) {
                try process.resume()
            } else if journal.stands(.standIn) {
                try process.end()
                try journal.write(.standIn, .undone)
            }
        } catch { Diagnostics.say("\(name): \(error)") }
    }

    /// Serves one connection until it ends.
    func serve(_ channel: StreamChannel) throws(TransferError) {
        while true {
            let frame = try channel.receive()
            guard frame.kind == .request, let request = try? JSONValue(parsing: frame.payload) else {
                throw .malformed("\(frame.kind) in place of a request")
            }
            pthread_mutex_lock(lock)
            let reply: JSONValue
            do throws(MoveError) { reply = try answer(request) } catch {
                reply = .object([.init("error", .string(error.description))])
            }
            pthread_mutex_unlock(lock)
            try channel.send(Frame(.reply, AgentLink.bytes(reply)))
            try channel.flush()
        }
    }

    private func answer(_ request: JSONValue) throws(MoveError) -> JSONValue {
        switch request["verb"]?.string {
        case "prepare":
            guard let doors = request["doors"]?.array?.compactMap({ Door($0) }), !doors.isEmpty,
                let lease = request["lease"]?.integer.flatMap({ UInt64(exactly: $0) })
            else { throw MoveError("no doors") }
            for door in doors {
                guard try ServiceAddress("\(door.place.host)/32")?.interface() == nil,
                    door.place.address >> 24 != 127
                else { throw MoveError("\(door.place.host) is an address of this host") }
            }
            try journal.write(.standIn, .begun)
            if journal.stands(.announce) { try journal.write(.announce, .undone) }
            try StandInProcess(folder, .init(doors: doors, lease: max(5, min(lease, 86400)), rules: name))
                .start()
        case "hold":
            guard let process, process.isRunning else { throw MoveError("no stand-in runs here") }
            try process.hold()
            try journal.write(.standIn, .done)
        case "go":
            guard let process, let route = request["route"].flatMap({ StandInRoute($0) }) else {
                throw MoveError("no route")
            }
            guard state != "gone" else { throw MoveError("the stand-in has ended") }
            try journal.write(.announce, .begun)
            try process.pass(to: route)
            try journal.write(.announce, .done)
        case "addresses":
            return .object([.init("addresses", .array(try ServiceAddress.all().map { .string($0) }))])
        case "end":
            try process?.end()
            for step in [MoveStep.announce, .standIn] where journal.stands(step) {
                try journal.write(step, .undone)
            }
        case let verb: throw MoveError("no request `\(verb ?? "")`")
        }
        return .object([.init("state", .string(state))])
    }
}
