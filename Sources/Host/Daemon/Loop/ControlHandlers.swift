import Control
import Glibc
import SystemCalls

/// The sockets on which clients ask, and the clients that are being served.
struct ControlHandlers: ~Copyable {
    private var runtime: ControlServer?
    private var own: ControlServer?
    private var connections: [Int32: Box] = [:]
    private var places = ControlPlaces()
    /// Clients that were let go since they asked for nothing.
    private(set) var dropped: UInt64 = 0
    /// Clients that were turned away since too many were being served.
    var refused: UInt64 { places.refused }
    /// Whether connections wait that could not be taken at the last attempt: the listeners stay readable.
    private(set) var isStuck = false
    /// Sentences about sockets that could not be had.
    private(set) var remarks: [String] = []

    /// A connection on the heap: a dictionary holds copies, and a connection has but one owner.
    private final class Box {
        var connection: ControlConnection
        init(_ connection: consuming ControlConnection) { self.connection = connection }
    }

    /// - Parameter named: the socket that the command line names in place of the one in /run; it must be
    ///   free, while the one in /run may be another daemon's.
    /// - Parameter group: the group whose members may ask for the status and for dumps there.
    init(named: String?, stateFolder: String, group: UInt32? = ControlPeer.groupNumber()) throws(StartError) {
        do throws(ControlError) {
            own = try ControlServer(path: ControlPath.inside(stateFolder: stateFolder))
            if let named { try serve(named, group) }
        } catch { throw StartError(error.description) }
        guard named == nil else { return }
        do throws(ControlError) {
            Self.makeRuntimeFolder()
            try serve(ControlPath.runtime, group)
        } catch { remarks.append(error.description) }
    }

    private mutating func serve(_ path: String, _ group: UInt32?) throws(ControlError) {
        let server = try ControlServer(path: path, group: group)
        if let refusal = server.groupRefusal {
            remarks.append(
                "members of the group \(ControlPeer.group) cannot ask: \(path) cannot be given to it: \(refusal)"
            )
        }
        runtime = consume server
    }

    private static func makeRuntimeFolder() {
        let folder = String(ControlPath.runtime[..<ControlPath.runtime.lastIndex(of: "/")!])
        mkdir(folder, 0o755)
    }

    /// The numbers of the listening sockets.
    var numbers: [Int32] {
        var result: [Int32] = []
        switch own {
        case .some(let server): result.append(server.number)
        case .none: break
        }
        switch runtime {
        case .some(let server): result.append(server.number)
        case .none: break
        }
        return result
    }

    /// Takes new connections, and turns away those for which there is no place; returns the numbers of the others.
    mutating func accept() -> [Int32] {
        var result: [Int32] = []
        func take(
            _ server: borrowing ControlServer, _ connections: inout [Int32: Box],
            _ places: inout ControlPlaces
        ) -> Bool {
            do throws(ControlError) {
                // A bound, so that clients that come without end cannot keep the loop.
                for _ in 0..<256 {
                    guard let connection = try server.accept() else { return true }
                    guard places.take(connection.peer) else {
                        try? connection.reply(error: "too many clients are being served; ask again later")
                        continue
                    }
                    let number = connection.number
                    connections[number] = Box(connection)
                    result.append(number)
                }
                return true
            } catch { return false }
        }
        isStuck = false
        switch own {
        case .some(let server): if !take(server, &connections, &places) { isStuck = true }
        case .none: break
        }
        switch runtime {
        case .some(let server): if !take(server, &connections, &places) { isStuck = true }
        case .none: break
        }
        return result
    }

    /// Clients that are being served.
    var count: Int { connections.count }

    /// When a client came, `CLOCK_MONOTONIC`, which distinguishes it from a later one of the same number; `nil` for none.
    func arrival(of number: Int32) -> UInt64? { connections[number]?.connection.created }

    /// Whether a number is a client's.
    func holds(_ number: Int32) -> Bool { connections[number] != nil }

    /// The request of a client that is ready; `nil` when it has gone or asked for nothing that it may have, and it
    /// is then let go.
    mutating func request(from number: Int32) -> ControlRequest? {
        guard let box = connections[number] else { return nil }
        do throws(ControlError) {
            if let request = try box.connection.request() { return request }
            return nil
        } catch {
            end(number)
            return nil
        }
    }

    private mutating func end(_ number: Int32) {
        guard let box = connections.removeValue(forKey: number) else { return }
        places.release(box.connection.peer)
    }

    /// Answers and lets the client go.
    mutating func answer(_ number: Int32, status: [UInt8]) {
        try? connections[number]?.connection.reply(status: status)
        end(number)
    }

    /// Answers with lines of what has changed and lets the client go.
    mutating func answer(_ number: Int32, changes: [UInt8]) {
        try? connections[number]?.connection.reply(changes: changes)
        end(number)
    }

    /// Answers with a file and lets the client go.
    mutating func answer(_ number: Int32, dump: borrowing FileDescriptor) {
        try? connections[number]?.connection.reply(dump: dump)
        end(number)
    }

    /// Answers with how many records were forgotten and lets the client go.
    mutating func answer(_ number: Int32, forgotten counts: [ForgottenCount]) {
        try? connections[number]?.connection.reply(forgotten: counts)
        end(number)
    }

    /// Answers with a sentence and lets the client go.
    mutating func answer(_ number: Int32, error: String) {
        try? connections[number]?.connection.reply(error: error)
        end(number)
    }

    /// Lets clients go that have asked for nothing for so many nanoseconds.
    mutating func dropSilent(olderThan age: UInt64, sparing busy: Set<Int32> = []) {
        let now = Clock.monotonic()
        for (number, box) in connections
        where !busy.contains(number) && now - box.connection.created >= age {
            end(number)
            dropped += 1
        }
    }
}
