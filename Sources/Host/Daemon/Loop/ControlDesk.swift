import Control
import Glibc
import SystemCalls

/// The sockets on which clients ask, and the clients that are being served.
struct ControlDesk: ~Copyable {
    private var runtime: ControlServer?
    private var own: ControlServer?
    private var connections: [Int32: Box] = [:]
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
    init(named: String?, stateFolder: String) throws(StartError) {
        do throws(ControlError) {
            own = try ControlServer(path: ControlPath.inside(stateFolder: stateFolder))
            if let named { runtime = try ControlServer(path: named) }
        } catch { throw StartError(error.description) }
        guard named == nil else { return }
        do throws(ControlError) {
            Self.makeRuntimeFolder()
            runtime = try ControlServer(path: ControlPath.runtime)
        } catch { remarks.append(error.description) }
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

    /// Takes new connections; returns their numbers.
    mutating func accept() -> [Int32] {
        var result: [Int32] = []
        func take(_ server: borrowing ControlServer, _ connections: inout [Int32: Box]) -> Bool {
            do throws(ControlError) {
                while result.count < 64, let connection = try server.accept() {
                    let number = connection.number
                    connections[number] = Box(connection)
                    result.append(number)
                }
                return true
            } catch { return false }
        }
        isStuck = false
        switch own {
        case .some(let server): if !take(server, &connections) { isStuck = true }
        case .none: break
        }
        switch runtime {
        case .some(let server): if !take(server, &connections) { isStuck = true }
        case .none: break
        }
        return result
    }

    /// Clients that are being served.
    var count: Int { connections.count }

    /// Whether a number is a client's.
    func holds(_ number: Int32) -> Bool { connections[number] != nil }

    /// The request of a client that is ready; `nil` when it has gone or asked for nothing we know, and it
    /// is then let go.
    mutating func request(from number: Int32) -> ControlRequest? {
        guard let box = connections[number] else { return nil }
        do throws(ControlError) {
            if let request = try box.connection.request() { return request }
            return nil
        } catch {
            connections[number] = nil
            return nil
        }
    }

    /// Answers and lets the client go.
    mutating func answer(_ number: Int32, status: [UInt8]) {
        try? connections[number]?.connection.reply(status: status)
        connections[number] = nil
    }

    /// Answers with a file and lets the client go.
    mutating func answer(_ number: Int32, dump: borrowing FileDescriptor) {
        try? connections[number]?.connection.reply(dump: dump)
        connections[number] = nil
    }

    /// Answers with a sentence and lets the client go.
    mutating func answer(_ number: Int32, error: String) {
        try? connections[number]?.connection.reply(error: error)
        connections[number] = nil
    }

    /// Lets clients go that have asked for nothing for so many nanoseconds.
    mutating func dropSilent(olderThan age: UInt64, sparing busy: Set<Int32> = []) {
        let now = Clock.monotonic()
        connections = connections.filter {
            busy.contains($0.key) || now - $0.value.connection.created < age
        }
    }
}
