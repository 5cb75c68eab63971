import Glibc
import Records
import SystemCalls
import Text

/// A process that asks to be moved, or saved, itself: `{"verb":"self","order":{…}}` or `{"verb":"self","save":"/path"}`.
///
/// It is the one at the socket's other end (`SO_PEERCRED` of unix(7)), and is answered before anything is done: it closes its socket then,
/// which CRIU would refuse, and goes on at the other place with whatever it does next.
struct OwnRequest {
    private let pid: Int32
    private let request: JSONValue
    private let file: String?

    /// - Throws: why it cannot be, which is reported to the process.
    init(_ request: JSONValue, of pid: Int32, as host: String) throws(MoveError) {
        self.pid = pid
        file = request["save"]?.string
        if let file {
            guard file.hasPrefix("/") else { throw MoveError("`save` is a path from the root on") }
            _ = try ContextSubject(pid)
            self.request = .null
            return
        }
        let asked = JSONValue.object([
            .init("pid", .integer(Int128(pid))), .init("order", request["order"] ?? .null),
        ])
        // Without a move's name it would not be known afterwards what became of it.
        self.request = try ProcessOrder.request(asked, as: host)
        _ = try MoveOrder(self.request["order"] ?? .null)
    }

    /// What it is answered: what the move is called.
    var answer: JSONValue {
        .object([
            .init("pid", .integer(Int128(pid))), .init("name", request["order"]?["name"] ?? .null),
            .init("save", file.map { .string($0) } ?? .null),
        ])
    }

    /// Does it, once the process has closed its socket.
    func run(_ agent: Agent) {
        do throws(MoveError) {
            if let file {
                let outcome = try Tool.run(
                    [try ContextKeeper.ownPath(), "context-save", "\(pid)", file], seconds: 3600)
                guard outcome.status == 0 else { throw MoveError(outcome.output) }
            } else {
                _ = try agent.obey(request) { _ in }
            }
        } catch { Diagnostics.say("process \(pid) asked for itself, and stays: \(error)") }
    }
}
