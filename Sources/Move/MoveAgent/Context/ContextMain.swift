import Glibc
import Records
import SystemCalls
import Text

/// What `retinue move save` and `retinue move restore` become, and the processes that these start. No agent runs for them.
enum ContextMain {
    /// - Returns: the exit status.
    static func run(_ arguments: [String]) throws(MoveError) -> Int32 {
        let rest = Array(arguments.dropFirst())
        switch arguments[0] {
        case "context-save": return try save(rest)
        case "context-restore" where rest.count == 1: return try ContextRestore(rest[0]).run()
        case "context-restore" where rest.count == 2:
            var restore = try ContextRestore(rest[0])
            restore.standing = AcrossGroup(folder: rest[1])
            restore.whenRestored = { _ = write(1, "restored\n", 9) }
            return try restore.run()
        case "context-inside" where rest.count > 1:
            guard let mounts = Int32(rest[0]) else { throw MoveError("it is started by a save") }
            return try ContextSave.runInside(Array(rest.dropFirst()), mounts: mounts)
        case "context-first" where rest.count == 2:
            guard let number = Int32(rest[1]) else { throw MoveError("it is started by a restore") }
            return try ContextFirst.run(rest[0], number)
        default: throw MoveError("no option `\(arguments[0])`: retinue-agent --help")
        }
    }

    private static func save(_ arguments: [String]) throws(MoveError) -> Int32 {
        guard arguments.count >= 2, let pid = Int32(arguments[0]) else {
            throw MoveError("no option is missing but a pid and a file")
        }
        guard geteuid() == 0 else { throw MoveError("processes are saved as root") }
        var save = ContextSave(pid: pid, file: arguments[1])
        var isJSON = false
        for word in arguments.dropFirst(2) {
            switch word {
            case "--leave-running": save.leavesRunning = true
            case "--close-connections": save.closesConnections = true
            case "--lossy": save.isLossy = true
            case "--json": isJSON = true
            case _ where word.hasPrefix("--die-at="): Fault.place = "\(word.dropFirst(9))#1"
            case _ where word.hasPrefix("--stop-at="):
                Fault.place = "\(word.dropFirst(10))#1"
                Fault.signal = SIGSTOP
            default: throw MoveError("no option `\(word)`")
            }
        }
        let outcome = try save.run { Diagnostics.say($0) }
        if isJSON {
            let value = answer(outcome, of: save)
            print(String(decoding: AgentLink.bytes(value), as: UTF8.self))
        } else {
            print(
                "\(Printable.text(Array(arguments[1].utf8))): \(outcome.bytes) bytes, \(outcome.processes) process\(outcome.processes == 1 ? "" : "es"); "
                    + (save.leavesRunning ? "goes on here as well" : "ended here"))
        }
        return 0
    }

    /// As docs/answers.schema.json has it.
    static func answer(_ outcome: ContextSave.Outcome, of save: ContextSave) -> JSONValue {
        .object([
            .init("schema", .string("retinue-context/1")), .init("file", .string(save.file)),
            .init("pid", .integer(Int128(save.pid))), .init("processes", .integer(Int128(outcome.processes))),
            .init("bytes", .integer(Int128(outcome.bytes))),
            .init("control_bytes", .integer(Int128(outcome.controlBytes))),
            .init("dump_ns", .integer(Int128(outcome.duration - outcome.kept))),
            .init("write_ns", .integer(Int128(outcome.kept))),
            .init("left_running", .boolean(save.leavesRunning)),
        ])
    }
}
