/// The script among an interpreter's arguments, for the interpreters that the workloads use.
///
/// Written apart from the daemon's own, on purpose: an oracle that shares the code shares the mistakes.
enum ScriptArgument {
    static func find(_ executable: String, _ arguments: [[UInt8]]) -> [UInt8]? {
        let name = executable.split(separator: "/").last.map(String.init) ?? ""
        let isShell = ["sh", "bash", "dash"].contains(name)
        let isPython = name.hasPrefix("python")
        guard isShell || isPython || name == "perl" else { return nil }
        let inline: Set<Character> = isShell ? ["c", "s"] : isPython ? ["c", "m"] : ["e", "E"]
        for argument in arguments.dropFirst() {
            let text = String(decoding: argument, as: UTF8.self)
            if text.hasPrefix("--") { continue }
            guard text.hasPrefix("-") else { return argument }
            if text == "-" || text.dropFirst().contains(where: { inline.contains($0) }) { return nil }
        }
        return nil
    }
}
