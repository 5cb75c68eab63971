import Records
import SystemCalls
import Text
import Transfer
import Transport

/// The source's end of the connection between two agents.
final class AgentLink {
    /// The version of what is said; each end refuses another one.
    static let version: Int128 = 1

    let channel: StreamChannel
    /// The other host's name, by its certificate.
    let peer: String
    /// The other host's address, as it was given.
    let address: String

    /// Connects, and makes sure that the other end speaks the same.
    init(to host: String, at address: String, port: UInt16, as identity: TLSIdentity) throws(MoveError) {
        do throws(TLSError) {
            let socket = try Sockets.connect(to: address, port: port, seconds: Self.patience)
            let stream = try identity.protect(socket, isClient: true, expecting: host)
            channel = StreamChannel(stream)
            peer = stream.peer
        } catch { throw MoveError("\(host): \(error)") }
        self.address = address
        do throws(MoveError) {
            _ = try ask("hello", [.init("protocol", .integer(Self.version))])
        } catch {
            // The end that connects learns only now what the other one thinks of its certificate (TLS 1.3).
            guard error.description.contains("alert") else { throw error }
            throw MoveError("\(host) does not accept this host's certificate: \(error)")
        }
    }

    /// Seconds after which a silent connection is taken to be cut.
    static let patience = 9

    /// Asks, and waits for the answer.
    ///
    /// - Throws: the other end's reason, behind its name.
    @discardableResult
    func ask(_ verb: String, _ members: [JSONValue.Member] = []) throws(MoveError) -> JSONValue {
        let begin = Timeline.begin()
        defer { Timeline.end(begin, "request \(verb)") }
        do throws(TransferError) {
            try channel.send(Frame(.request, Self.bytes(.object([.init("verb", .string(verb))] + members))))
        } catch { throw MoveError(error) }
        return try next()
    }

    /// The next answer; more than one comes of a command.
    func next() throws(MoveError) -> JSONValue {
        do throws(TransferError) {
            let frame = try channel.receive()
            if frame.kind == .failure {
                throw TransferError.refused(String(decoding: frame.payload, as: UTF8.self))
            }
            guard frame.kind == .reply, let reply = try? JSONValue(parsing: frame.payload) else {
                throw TransferError.malformed("\(frame.kind) in place of an answer")
            }
            if let reason = reply["error"]?.string { throw TransferError.refused("\(peer): \(reason)") }
            return reply
        } catch { throw MoveError(error) }
    }

    static func bytes(_ value: JSONValue) -> [UInt8] {
        var out = JSONWriter()
        out.value(value)
        return out.bytes
    }

    func close() { channel.close() }
}
