import MovePlan
import Text

/// A plan in the words of tools that install packages.
struct PlanRecipe {
    private let host: HostPlan
    private let title: String
    private let system: HostSystem
    private let hasVersions: Bool

    /// Where they expect what the plan copies.
    private static let archive = "files.tar"

    /// - Parameters:
    ///   - root: where the host's files lie.
    ///   - hasVersions: whether to ask for the versions that the host has, and for no others.
    init(_ plan: Plan, _ host: HostPlan, root: String, hasVersions: Bool) {
        self.host = host
        self.hasVersions = hasVersions
        title = "\(plan.program) of \(host.name.isEmpty ? host.id : host.name)".printable
        system = HostSystem(root)
    }

    private var packages: [String] {
        host.packages.filter { $0.system == "debian" }.map {
            hasVersions ? "\($0.name)=\($0.version)" : $0.name
        }
    }

    /// `apt-get install`.
    var apt: String {
        let words = packages.map(ShellWord.literal).joined(separator: " ")
        return words.isEmpty ? "" : "apt-get install --no-install-recommends \(words)\n"
    }

    /// Lines of passwd(5) and group(5), each added below a folder unless it has one of that name.
    private func accounts(below folder: String) -> [String] {
        host.accounts.filter { !$0.name.isEmpty }.map { account in
            let file = folder + (account.isUser ? "/etc/passwd" : "/etc/group")
            let line = ShellWord.literal(PlanText.text(account.line))
            return "grep -q \(ShellWord.literal("^\(account.name):")) \(file) || echo \(line) >> \(file)"
        }
    }

    /// A command of mmdebstrap(1).
    var mmdebstrap: String {
        var words = ["mmdebstrap", "--variant=minbase"]
        if !packages.isEmpty { words.append("--include=" + packages.joined(separator: ",")) }
        // Before packages are configured, which then find the numbers that the files have.
        words += accounts(below: "\"$1\"").map { "--essential-hook=" + $0 }
        words += ["--customize-hook=tar-in \(Self.archive) /", system.release, "root.tar"]
        return words.map(ShellWord.literal).joined(separator: " \\\n  ") + "\n"
    }

    /// A Containerfile (Dockerfile).
    ///
    /// - Throws: `Failure` where a word of the command is no UTF-8.
    func containerfile(_ command: PlannedCommand) throws(Failure) -> String {
        var lines = [
            "# \(title), by its plan. What it copies: retinue plan export FILE --tar \(Self.archive)"
        ]
        lines.append("FROM \(system.image)")
        let accounts = accounts(below: "")
        if !accounts.isEmpty { lines.append("RUN " + accounts.joined(separator: " ; \\\n    ")) }
        if !packages.isEmpty {
            lines.append(
                "RUN apt-get update && apt-get install -y --no-install-recommends \\\n    "
                    + packages.map(ShellWord.literal).joined(separator: " \\\n    ")
                    + " \\\n && rm -rf /var/lib/apt/lists/*")
        }
        lines.append("ADD \(Self.archive) /")
        if command.folder.count > 1 { lines.append("WORKDIR \(PlanText.text(command.folder))") }
        if let process = command.process { lines.append("USER \(process.user):\(process.group)") }
        for variable in command.environment {
            let name = variable.prefix { $0 != UInt8(ascii: "=") }
            let value = try Self.value(Array(variable.dropFirst(name.count + 1)))
            lines.append("ENV \(String(decoding: name, as: UTF8.self))=\(value)")
        }
        for port in Set(host.ports.compactMap(ImageLayout.exposed)).sorted() {
            lines.append("EXPOSE \(port)")
        }
        var words: [String] = []
        for word in command.arguments { words.append(try Self.quoted(word)) }
        lines.append("ENTRYPOINT [\(words.joined(separator: ", "))]")
        return lines.map { $0 + "\n" }.joined()
    }

    /// A string of JSON, which the form of lists asks for; a `$` in it stays one.
    private static func quoted(_ bytes: [UInt8]) throws(Failure) -> String {
        var out = JSONWriter()
        out.value(text: try text(bytes))
        return String(decoding: out.bytes, as: UTF8.self)
    }

    /// The value of a variable, in quotes in which a `$` would begin the name of another one; it has one line.
    private static func value(_ bytes: [UInt8]) throws(Failure) -> String {
        guard !bytes.contains(where: { $0 < 0x20 }) else {
            throw Failure(
                "a Containerfile cannot have a variable that is \(Printable.text(bytes)): take it out of the plan",
                status: ExitStatus.badInput)
        }
        var value = "\""
        for character in try text(bytes) {
            if "\\\"$".contains(character) { value.append("\\") }
            value.append(character)
        }
        return value + "\""
    }

    private static func text(_ bytes: [UInt8]) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(
                "a Containerfile cannot have \(Printable.text(bytes)), which is no UTF-8: say by --start what starts it",
                status: ExitStatus.badInput)
        }
        return text
    }
}

/// Which system a host has.
struct HostSystem {
    /// As mmdebstrap(1) takes it.
    let release: String
    /// As registries call it.
    let image: String

    /// By its os-release(5); Debian's stable where that does not say.
    init(_ root: String) {
        var values: [String: String] = [:]
        let paths = ["/etc/os-release", "/usr/lib/os-release"].map { root == "/" ? $0 : root + $0 }
        let text = paths.lazy.map { InputFile.contents(of: $0) }.first { !$0.isEmpty } ?? []
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[String(line[..<equals])] = line[line.index(after: equals)...].filter {
                $0 != "\"" && $0 != "'"
            }
        }
        func word(_ key: String) -> String? {
            values[key].flatMap { text in
                let isWord = text.utf8.allSatisfy {
                    (45...46).contains($0) || (48...57).contains($0) || (97...122).contains($0)
                }
                return isWord && !text.isEmpty ? text : nil
            }
        }
        release = word("VERSION_CODENAME") ?? "stable"
        image = "\(word("ID") ?? "debian"):\(release)"
    }
}
