import Glibc
import SystemCalls

/// What has a tree stand that criu(8) restores, before any of it runs: criu's pre-resume script, which puts it into a frozen control
/// group.
enum ContextFreezer {
    private static let scriptName = "context-freezer"
    private static let groupName = "frozen"

    static var isScript: Bool { CommandLine.arguments.first?.hasSuffix("/" + scriptName) == true }

    /// Says in a folder of images where the tree is to stand.
    static func ask(_ group: AcrossGroup, in folder: String) throws(MoveError) {
        do throws(SystemError) {
            try FileDescriptor.open("\(folder)/\(groupName)", O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                .writeAll(
                    Array(group.folder.utf8))
        } catch { throw MoveError("\(folder)/\(groupName): \(error)") }
        guard symlink(try ContextKeeper.ownPath(), "\(folder)/\(scriptName)") == 0 else {
            throw MoveError("\(folder)/\(scriptName): \(SystemError.text(of: errno))")
        }
    }

    /// More words for criu, where a folder says that its tree is to stand.
    static func words(in folder: String) -> [String] {
        access("\(folder)/\(groupName)", F_OK) == 0 ? ["--action-script", "\(folder)/\(scriptName)"] : []
    }

    /// The script's part: 0 lets criu go on.
    static func run() -> Int32 {
        guard getenv("CRTOOLS_SCRIPT_ACTION").map({ String(cString: $0) }) == "pre-resume" else { return 0 }
        let folder = String(CommandLine.arguments[0].dropLast(scriptName.utf8.count + 1))
        guard let bytes = (try? FileDescriptor.open("\(folder)/\(groupName)", O_RDONLY))?.bytes,
            let value = SafeFile.read(folder + "/header.json"), let header = ContextHeader(value)
        else { return 1 }
        let group = AcrossGroup(folder: String(decoding: bytes, as: UTF8.self))
        do throws(MoveError) {
            for pid in header.pids { try group.add(pid) }
        } catch {
            Diagnostics.say(error.description)
            return 1
        }
        return 0
    }
}
