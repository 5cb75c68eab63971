import MoveGroup
import PackageFiles
import Records

/// Advice as a page for people, a block a host. Whatever it quotes cannot steer the terminal.
struct AdviceText {
    private let group: MoveGroup
    /// Columns that tables and examples keep within; `nil` where no terminal shows them.
    private let columns: Int?
    /// Of prose.
    private var width: Int { columns ?? Terminal.defaultWidth }
    private var graph: DependencyGraph { group.graph }
    /// Paths of a list that are shown; the JSON form has all.
    private static let mostPaths = 20

    init(_ group: MoveGroup, width: Int?) {
        self.group = group
        columns = width
    }

    func page(_ hosts: [MeasuredAdvice]) -> String {
        let blocks = hosts.map { block($0) }.joined(separator: "\n")
        return blocks + "\n" + Paragraph.text(Self.caveat, indent: 0, width: width)
    }

    /// Said at every time: an advice that isolates too little is found out late.
    private static let caveat = """
        What no record shows decided nothing here. retinued keeps no records of System V and POSIX IPC, of \
        /proc and /sys, and of users. It names files free of symbolic links: links that lead to them have to be \
        made again, or come with the packages.
        """

    private func block(_ host: MeasuredAdvice) -> String {
        let advice = host.advice
        var text = heading(advice)
        text += section("advice", adviceText(advice))
        if advice.uses.workloads.count > 1 { text += section("workloads", list(advice.uses.workloads)) }
        text += section("uses", usesTable(advice.uses))
        text += section("isolation", verdicts(advice))
        if advice.advised == .container { text += section("namespaces", namespaces(advice)) }
        if !advice.bonds.isEmpty { text += section("shared with programs that stay behind", bonds(advice)) }
        let sizes = MeasureText(measure: host.measure, columns: columns)
        text += section("to move", sizes.sizes)
        text += section("packages", sizes.packages)
        for (title, paths) in sizes.lists { text += section(title, list(paths)) }
        return text
    }

    private func heading(_ advice: IsolationAdvice) -> String {
        let uses = advice.uses
        var parts = [counted(uses.programs.count, "program"), counted(uses.files.count, "file")]
        parts[1] += uses.writtenFiles > 0 ? " (\(Quantity.grouped(uses.writtenFiles)) written)" : ""
        if !uses.entries.isEmpty { parts.append(counted(uses.entries.count, "entry", "entries")) }
        if uses.workloads.count > 1 { parts.append(counted(uses.workloads.count, "workload")) }
        return "\(advice.label.printable): \(parts.joined(separator: ", "))\n"
    }

    private func counted(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(Quantity.grouped(number)) \(number == 1 ? one : many ?? one + "s")"
    }

    private func section(_ title: String, _ lines: String) -> String {
        lines.isEmpty ? "" : "\n  \(title)\n" + lines.indented(4)
    }

    // MARK: Advice

    private func adviceText(_ advice: IsolationAdvice) -> String {
        var sentences: [String] = []
        switch advice.advised {
        case nil:
            sentences.append(
                "No advice: \(counted(advice.uses.entries.count, "member")) came from a list that does not say "
                    + "how its paths depend on each other. Give the dumps.")
        case .chroot:
            sentences.append("Files alone: any of the three isolates them, a chroot is the lightest.")
        case .container:
            let needed = advice.namespaces.filter { $0.need == .needed }.map(\.kind.rawValue)
            let devices = advice[.container].conditions.contains { $0.finding.use.kind == .device }
            sentences.append(
                "A container" + (devices ? " with devices passed through" : "")
                    + ", with namespaces of its own: "
                    + needed.joined(separator: ", ") + ".")
        case .virtualMachine:
            sentences.append(
                "A virtual machine: what it does reaches the kernel or the hardware, as described below.")
        }
        if advice.uses.stops > 0 {
            sentences.append(
                "\(counted(advice.uses.stops, "program")) beyond which nothing is followed counted for its files "
                    + "alone.")
        }
        return Paragraph.text(sentences.joined(separator: " "), indent: 0, width: width - 4)
    }

    private func usesTable(_ uses: HostUses) -> String {
        guard !uses.findings.isEmpty else {
            return uses.files.isEmpty ? "" : "files alone\n"
        }
        var table = TextTable([
            .init(title: "WHAT"), .init(title: "WITH"), .init(title: "COUNT", isNumber: true),
            .init(title: "PROGRAM", cut: .start), .init(title: "OBJECT", cut: .end),
        ])
        for finding in uses.findings {
            table.add([
                finding.use.kind.title, finding.use.reach.title, Quantity.grouped(finding.objects.count),
                name(finding.example.program), shortObject(finding.example),
            ])
        }
        return table.text(width: columns.map { $0 - 4 })
    }

    private func name(_ node: NodeID) -> String { Printable.text(graph.name(of: node)) }

    /// The object of an example; a pipe goes by the program at its other end.
    private func object(_ example: HostUses.Example) -> String {
        guard let peer = example.peer else { return name(example.object) }
        return "\(name(example.object)) with \(name(peer))"
    }

    /// The object alone, unless it is of a kind that has no names.
    private func shortObject(_ example: HostUses.Example) -> String {
        if case .channel(_, let text) = graph[example.object], text.isEmpty { return object(example) }
        return name(example.object)
    }

    private func example(_ finding: HostUses.Finding, indent: Int) -> String {
        let more = finding.objects.count - 1
        let tail = more > 0 ? ", and \(Quantity.grouped(more)) more" : ""
        let text = "\(name(finding.example.program)): \(object(finding.example))"
        let room = columns.map { $0 - 4 - indent - tail.displayWidth }
        return String(repeating: " ", count: indent) + (room.map { text.cut(.end, to: $0) } ?? text) + tail
            + "\n"
    }

    private func verdicts(_ advice: IsolationAdvice) -> String {
        var text = ""
        for verdict in advice.verdicts {
            let answer = verdict.objections.isEmpty ? "yes" : "no"
            text += "\(verdict.candidate.word): \(answer)\n"
            text += reasons(verdict.objections.map { ("\($0.reason)", $0.finding) })
            // What is ruled out needs nothing.
            guard verdict.objections.isEmpty else { continue }
            text += reasons(verdict.conditions.map { ("\($0.text)", $0.finding) })
        }
        return text
    }

    /// Each reason once, with what it is about.
    private func reasons(_ reasons: [(text: String, finding: HostUses.Finding)]) -> String {
        var text = ""
        var last = ""
        for reason in reasons {
            if reason.text != last { text += Paragraph.text(reason.text, indent: 2, width: width - 4) }
            last = reason.text
            switch reason.finding.use.kind {
            // Each of them has to be dealt with.
            case .device, .hardware, .disk, .module, .setting:
                let objects = reason.finding.objects.prefix(Self.mostPaths)
                let indent = String(repeating: " ", count: 4)
                for object in objects {
                    text +=
                        indent + (columns.map { name(object).cut(.end, to: $0 - 8) } ?? name(object)) + "\n"
                }
                let more = reason.finding.objects.count - objects.count
                if more > 0 { text += "\(indent)and \(Quantity.grouped(more)) more\n" }
            default: text += example(reason.finding, indent: 4)
            }
        }
        return text
    }

    private func namespaces(_ advice: IsolationAdvice) -> String {
        var table = TextTable([
            .init(title: "NAMESPACE"), .init(title: "NEEDED"), .init(title: "WHY", cut: .end),
        ])
        for namespace in advice.namespaces {
            let need =
                switch namespace.need {
                case .needed: "yes"
                case .notSeen: "not seen"
                case .unknown: "not known"
                }
            table.add([namespace.kind.rawValue, need, "\(namespace.reason)"])
        }
        return table.text(width: columns.map { $0 - 4 })
    }

    private func bonds(_ advice: IsolationAdvice) -> String {
        advice.bonds.map { finding in
            "\(finding.use.kind.title)\n" + example(finding, indent: 2)
        }.joined()
    }

    // MARK: Files

    private func list(_ paths: [[UInt8]]) -> String {
        var text = ""
        for path in paths.prefix(Self.mostPaths) { text += Printable.text(path) + "\n" }
        let more = paths.count - Self.mostPaths
        return text + (more > 0 ? "and \(Quantity.grouped(more)) more; --format json has all\n" : "")
    }
}

extension String {
    /// The same lines, each behind some blanks.
    func indented(_ count: Int) -> String {
        let margin = String(repeating: " ", count: count)
        return split(separator: "\n").map { margin + $0 + "\n" }.joined()
    }
}

extension Use.Kind {
    /// What people call it.
    var title: String {
        switch self {
        case .listen: "waits at addresses"
        case .connect: "connects"
        case .accept: "takes connections"
        case .unix: "Unix sockets"
        case .abstractUnix: "abstract sockets"
        case .fifo: "named pipes"
        case .pipe: "pipes"
        case .shm: "System V shared memory"
        case .sem: "System V semaphores"
        case .msg: "System V queues"
        case .posixShm: "POSIX shared memory"
        case .mqueue: "POSIX message queues"
        case .device: "devices"
        case .hardware: "other devices"
        case .disk: "whole disks"
        case .module: "kernel modules"
        case .setting: "sets the kernel"
        case .networkSetting: "sets the network"
        case .hostName: "sets the host's name"
        case .ipcSetting: "sets limits of IPC"
        case .userSetting: "sets limits of users"
        case .controlGroup: "control groups"
        case .processes: "looks at processes"
        case .kernelView: "reads /proc/sys, /sys"
        case .spawn: "starts programs"
        }
    }
}

extension Use.Reach {
    /// Who is at the other end.
    var title: String {
        switch self {
        case .own: ""
        case .inside: "itself"
        case .group: "the group"
        case .unknown: "not known"
        case .outside: "others"
        }
    }
}

/// What was measured of a host, for people.
struct MeasureText {
    let measure: HostMeasure
    /// Columns that tables keep within; `nil` where no terminal shows them.
    let columns: Int?
    private var width: Int { columns ?? Terminal.defaultWidth }

    /// What each candidate moves.
    var sizes: String {
        guard let root = measure.root else {
            return Paragraph.text(
                "\(Quantity.grouped(measure.paths)) files of this host not measured: run there, or give --root.",
                indent: 0, width: width - 4)
        }
        let place = root.printable
        var table = TextTable([
            .init(title: "AS"), .init(title: "BYTES", isNumber: true), .init(title: "WHAT", cut: .end),
        ])
        let files = Quantity.grouped(measure.files.regular.count)
        table.add(["chroot", bytes(measure.files), "\(files) files of the group, measured below \(place)"])
        if let destination = measure.destination {
            let equal = destination.equal.regular
            table.add([
                "chroot there", Quantity.bytes(measure.files.regular.apparent &- equal.apparent),
                "without \(Quantity.counted(equal.count, "executable or library")) (\(Quantity.bytes(equal.apparent))) that "
                    + "\(destination.root.printable) has equal",
            ])
        }
        if let base = measure.withBase {
            let count = Quantity.grouped(measure.basePackages)
            table.add(["container", bytes(base), "with a minimal base system, \(count) packages"])
        } else {
            table.add(["container", "-", "not measured: no packages to make a base system of"])
        }
        switch measure.system {
        case .usage(let used):
            table.add(["virtual machine", Quantity.bytes(used), "in use on the filesystem at \(place)"])
        case .walk(let sizes, let leftOut):
            let count = Quantity.grouped(sizes.regular.count)
            table.add([
                "virtual machine", bytes(sizes), "\(count) files below \(place), \(leftOut) mounts left out",
            ])
        case .unknown: table.add(["virtual machine", "-", "not measured"])
        }
        return table.text(width: columns.map { $0 - 4 }) + notes
    }

    private func bytes(_ sizes: FileSizes) -> String { Quantity.bytes(sizes.regular.apparent) }

    private var notes: String {
        var notes: [String] = []
        if case .unknown(let why) = measure.system { notes.append("Virtual machine: \(why.printable).") }
        let folders = measure.files.directories.count
        if folders > 0 {
            notes.append(
                folders == 1
                    ? "1 directory counts without what is in it."
                    : "\(Quantity.grouped(folders)) directories count without what is in them.")
        }
        if let packages = measure.packages, !packages.used.isEmpty {
            let copied =
                packages.unpackaged.count + packages.modified.count
                + packages.modifiedConfiguration.count + packages.unverified.count
            notes.append(
                "With the packages installed at the destination (\(bytes(packages.whole))), "
                    + "\(Quantity.grouped(copied)) files with \(bytes(packages.copied)) remain to be copied.")
        }
        return notes.map { Paragraph.text($0, indent: 0, width: width - 4) }.joined()
    }

    /// The packages, or why there are none.
    var packages: String {
        var text = ""
        if let packages = measure.packages, !packages.used.isEmpty {
            var table = TextTable([
                .init(title: "PACKAGE", cut: .end), .init(title: "VERSION", cut: .end),
                .init(title: "FILES", isNumber: true), .init(title: "OF", isNumber: true),
                .init(title: "BYTES", isNumber: true), .init(title: "OF", isNumber: true),
            ])
            for used in packages.used {
                table.add([
                    used.name.printable, used.version.printable, Quantity.grouped(used.files),
                    Quantity.grouped(used.owned), Quantity.bytes(used.bytes), Quantity.bytes(used.ownedBytes),
                ])
            }
            text = table.text(width: columns.map { $0 - 4 })
        }
        if let remark = measure.remark {
            text += Paragraph.text(remark.printable, indent: 0, width: width - 4)
        }
        return text
    }

    /// Files that need a look, under titles; those without any are left out.
    var lists: [(title: String, paths: [[UInt8]])] {
        guard measure.root != nil else { return [] }
        let packages = measure.packages
        let all: [(String, [[UInt8]])] = [
            ("files of no package, to be copied", packages?.unpackaged ?? []),
            ("changed files of packages, to be copied", packages?.modified ?? []),
            ("changed configuration of packages, to be copied", packages?.modifiedConfiguration ?? []),
            ("files of packages that cannot be compared, to be copied", packages?.unverified ?? []),
            ("files that are no longer there", measure.files.missing),
            ("files that cannot be looked at", measure.files.unreadable),
        ]
        return all.filter { !$0.1.isEmpty }.map { (title: $0.0, paths: $0.1) }
    }
}
