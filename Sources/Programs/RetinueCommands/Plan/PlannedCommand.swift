import MovePlan
import Text

/// What starts the program of a plan.
struct PlannedCommand {
    /// What it runs with; `nil` where the plan does not know.
    let process: PlannedProcess?
    /// The executable first.
    let arguments: [[UInt8]]

    private static let path = Array(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".utf8)

    /// The given one, by a shell; else what a program of the plan ran with when the plan was made.
    init(_ plan: HostPlan, start: String?) throws(Failure) {
        let programs = plan.programs.filter { !$0.isStop && $0.process != nil }
        // Where it began stands first among its reasons; a plan that was made by hand has none.
        let first = programs.first { $0.reason.contains("where the group begins") } ?? programs.first
        process = first?.process
        if let start {
            arguments = ["/bin/sh", "-c", start].map { Array($0.utf8) }
            return
        }
        guard let first, let process, !process.arguments.isEmpty else {
            throw Failure(
                "the plan does not know what a program of it was started with: say by --start what starts it",
                status: ExitStatus.badInput)
        }
        guard !process.arguments.contains(where: { $0.elementsEqual("[redacted]".utf8) }) else {
            throw Failure(
                "arguments of \(Printable.text(first.executable)) are redacted in the plan: say by --start what starts it",
                status: ExitStatus.badInput)
        }
        arguments = [first.executable] + process.arguments.dropFirst()
    }

    /// Its working directory.
    var folder: [UInt8] {
        process.flatMap { $0.folder.isEmpty ? nil : $0.folder } ?? [UInt8(ascii: "/")]
    }

    /// Variables with their values, as far as the plan has them; what is executed is found as for a service.
    var environment: [[UInt8]] {
        let known = process?.environment.filter { $0.contains(UInt8(ascii: "=")) } ?? []
        return (known.contains { $0.starts(with: "PATH=".utf8) } ? [] : [Self.path]) + known
    }

    /// As words that start it in a root, from outside of that.
    func words(in root: String) -> [[UInt8]] {
        var words = ["chroot"].map { Array($0.utf8) }
        if let process {
            let groups = process.groups.map(String.init).joined(separator: ",")
            words.append(Array("--userspec=\(process.user):\(process.group)".utf8))
            words.append(Array("--groups=\(groups)".utf8))
        }
        words += [root, "/usr/bin/env", "-i"].map { Array($0.utf8) }
        if folder.count > 1 { words.append(Array("--chdir=".utf8) + folder) }
        return words + environment + arguments
    }
}
