import Foundation
import Records

/// A dump's dependency lines, written as plainly as can be: a string for each piece, nothing remembered.
enum ReferenceDump {
    static func lines(_ ledger: borrowing Ledger, host: String) -> [String] {
        var lines: [String] = []
        for position in ledger.records.indices { lines.append(line(position, ledger, host)) }
        return lines
    }

    private static func line(_ position: Int, _ ledger: borrowing Ledger, _ host: String) -> String {
        let record = ledger.records[position]
        let traffic = ledger.traffic(of: position)
        let key = record.key
        var members = [
            #""type":"dependency""#, #""host":"# + quoted(host),
            #""program":"# + program(key.program, ledger), #""relation":"\#(key.relation.word)""#,
        ]
        func address(_ number: UInt32, _ endpoints: [Endpoint]) -> String {
            #""address":"\#(endpoints[Int(number)].address)""#
        }
        func endpoint(_ number: UInt32, _ endpoints: [Endpoint]) -> String {
            "{\(address(number, endpoints)),\"port\":\(endpoints[Int(number)].port)}"
        }
        let transport = Transport(rawValue: key.detail).map { #""transport":"\#($0.word)""# } ?? ""
        switch key.relation {
        case .file:
            members += named("path", ledger.texts.array(TextID(rawValue: key.object)))
            members += [#""kind":"\#(record.kind.word)""#, #""access":"\#(record.access.letters)""#]
        case .spawn: members.append(#""child":"# + program(ProgramID(rawValue: key.object), ledger))
        case .connect: members += [transport, #""remote":"# + endpoint(key.object, ledger.endpoints)]
        case .listen: members += [transport, #""local":"# + endpoint(key.object, ledger.endpoints)]
        case .accept:
            members += [
                transport, #""local":"# + endpoint(key.object, ledger.endpoints),
                #""remote":{"# + address(key.remote, ledger.endpoints) + "}",
            ]
        case .ipc:
            members.append(#""mechanism":"\#(Mechanism(rawValue: key.detail)!.word)""#)
            members += named("name", ledger.texts.array(TextID(rawValue: key.object)))
        }
        if let fold = ledger.fold(of: position) {
            var folded = [#""paths":\#(fold.paths)"#]
            let texts = fold.names.map { String(decoding: $0, as: UTF8.self) }
            if !texts.isEmpty {
                folded.append(#""names":["# + texts.map(quoted).joined(separator: ",") + "]")
            }
            if zip(texts, fold.names).contains(where: { Array($0.utf8) != $1 }) {
                let raw = fold.names.map { "\"" + Data($0).base64EncodedString() + "\"" }
                folded.append(#""names_raw":["# + raw.joined(separator: ",") + "]")
            }
            members.append(#""folded":{"# + folded.joined(separator: ",") + "}")
        }
        if key.peer != .unknown { members.append(#""peer":"# + program(key.peer, ledger)) }
        if key.relation == .connect || key.relation == .accept {
            members += [#""sent":\#(traffic.sent)"#, #""received":\#(traffic.received)"#]
        }
        members += [
            #""change":\#(record.change)"#, #""count":\#(record.count)"#,
            #""first":"\#(time(record.first))""#,
            #""last":"\#(time(record.last))""#, #""evidence":"\#(record.evidence.word)""#,
        ]
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func program(_ number: ProgramID, _ ledger: borrowing Ledger) -> String {
        let program = ledger[number]
        var members = named("executable", ledger.texts.array(program.executable))
        let script = ledger.texts.array(program.script)
        if !script.isEmpty { members += named("script", script) }
        let workload = ledger.texts.array(program.workload)
        if !workload.isEmpty { members += named("workload", workload) }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func named(_ key: String, _ bytes: [UInt8]) -> [String] {
        let text = String(decoding: bytes, as: UTF8.self)
        let members = ["\"\(key)\":" + quoted(text)]
        if Array(text.utf8) == bytes { return members }
        return members + ["\"\(key)_raw\":\"\(Data(bytes).base64EncodedString())\""]
    }

    private static func quoted(_ text: String) -> String {
        let short: [UInt32: String] = [
            0x22: "\\\"", 0x5c: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r",
        ]
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case let value where short[value] != nil: out += short[value]!
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator:
                    for unit in UTF16.encode(scalar)! { out += String(format: "\\u%04x", Int(unit)) }
                default: out.unicodeScalars.append(scalar)
                }
            }
        }
        return out + "\""
    }

    /// As the C library has it.
    private static func time(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return String(
            format: "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
            Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec),
            Int(nanoseconds / 1_000_000 % 1000))
    }
}
