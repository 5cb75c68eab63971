import Control
import Records
import Text

/// Answers a client of the Model Context Protocol (2025-06-18): JSON-RPC 2.0, a message a line.
///
/// Knows no descriptor: it takes lines, and gives lines.
struct ModelContextServer {
    static let protocolVersion = "2025-06-18"
    /// Bytes of a message; a longer one is refused.
    static let longestMessage = 1 << 20

    private let tools: ModelContextTools

    init(_ tools: ModelContextTools) { self.tools = tools }

    /// Why a request has no result (JSON-RPC 2.0, section 5.1).
    struct Refusal: Error {
        let code: Int
        let message: String

        static func invalid(_ message: String) -> Refusal { Refusal(code: -32600, message: message) }
        static func parameters(_ message: String) -> Refusal { Refusal(code: -32602, message: message) }
    }

    /// The answer to a message, without the end of a line; `nil` to a notification, and to what is an answer itself.
    func answer(_ line: [UInt8]) -> [UInt8]? {
        let message: JSONValue
        do throws(JSONError) {
            message = try JSONValue(parsing: line)
        } catch {
            return Self.failure(nil, Refusal(code: -32700, message: "this is no JSON: \(error)"))
        }
        guard message.members != nil else {
            return Self.failure(nil, .invalid("a message is one object; there are no batches"))
        }
        let id = Self.id(message["id"])
        guard message["jsonrpc"]?.string == "2.0" else {
            return Self.failure(id, .invalid("jsonrpc is \"2.0\""))
        }
        guard let method = message["method"]?.string else {
            // A client's answer to a request, of which this side makes none.
            if message["result"] != nil || message["error"] != nil { return nil }
            return Self.failure(id, .invalid("there is no method"))
        }
        guard message["id"] != nil else { return nil }
        guard let id else { return Self.failure(nil, .invalid("an id is a string or a whole number")) }
        do throws(Refusal) {
            return Self.success(id, try result(of: method, message["params"]))
        } catch {
            return Self.failure(id, error)
        }
    }

    /// What a message is refused with that is too long to be kept.
    static var tooLong: [UInt8] {
        failure(nil, .invalid("a message has at most \(longestMessage) bytes"))
    }

    private func result(of method: String, _ parameters: JSONValue?) throws(Refusal) -> [UInt8] {
        if let parameters, parameters.members == nil { throw .parameters("params is an object") }
        var out = JSONWriter()
        switch method {
        case "initialize":
            guard parameters?["protocolVersion"]?.string != nil else {
                throw .parameters("protocolVersion is missing")
            }
            out.object { out in
                out.member("protocolVersion", text: Self.protocolVersion)
                out.object("capabilities") { $0.object("tools") { _ in } }
                out.object("serverInfo") { out in
                    out.member("name", text: "retinue")
                    out.member("title", text: "Retinue")
                    out.member("version", text: retinueVersion)
                }
                out.member("instructions", text: ModelContextTools.instructions)
            }
        case "ping": out.object { _ in }
        case "tools/list": return ModelContextTools.list
        case "tools/call":
            guard let name = parameters?["name"]?.string else { throw .parameters("name is missing") }
            return try tools.call(name, parameters?["arguments"] ?? .object([]))
        default: throw Refusal(code: -32601, message: "there is no method \"\(method)\"")
        }
        return out.bytes
    }

    // MARK: Messages

    /// An id as it is written; `nil` for what is none.
    private static func id(_ value: JSONValue?) -> [UInt8]? {
        switch value {
        case .string(let text):
            var bytes: [UInt8] = []
            JSONText.append(text, to: &bytes)
            return bytes
        case .integer(let number): return Array("\(number)".utf8)
        default: return nil
        }
    }

    private static func success(_ id: [UInt8], _ result: [UInt8]) -> [UInt8] {
        message(id, "result", result)
    }

    private static func failure(_ id: [UInt8]?, _ refusal: Refusal) -> [UInt8] {
        var text: [UInt8] = []
        JSONText.append(refusal.message, to: &text)
        return message(
            id ?? Array("null".utf8), "error",
            Array("{\"code\":\(refusal.code),\"message\":".utf8) + text + Array("}".utf8))
    }

    private static func message(_ id: [UInt8], _ key: String, _ value: [UInt8]) -> [UInt8] {
        // One line: those within strings are escaped.
        Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8) + id + Array(",\"\(key)\":".utf8)
            + value.filter { $0 != 0x0a } + Array("}".utf8)
    }
}
