import MovePlan
import Text

/// A plan in the words of tools that install packages.
struct PlanRecipe {
    private let host: HostPlan
    private let title: String
    private let system: HostSystem
    private let hasVersions: Bool
    private let languages: LanguageRecipe

    /// Where they expect what the plan copies.
    private static let archive = "files.tar"

    /// - Parameters:
    ///   - root: where the host's files lie.
    ///   - hasVersions: whether to ask for the versions that the host has, and for no others.
    init(_ plan: Plan, _ host: HostPlan, root: String, hasVersions: Bool) throws(Failure) {
        languages = try LanguageRecipe(host)
        self.host = host
        self.hasVersions = hasVersions
        title = "\(plan.program) of \(host.name.isEmpty ? host.id : host.name)".printable
        system = HostSystem(root)
    }

    /// Packages of a system, as its package manager takes them.
    private func words(of manager: SystemManager) -> [String] {
        let known = host.packages.filter { $0.system == manager.system }.map {
            manager.word($0, hasVersion: hasVersions)
        }
        return known + languages.tools(of: manager).filter { !known.contains($0) }
    }

    private var rpmManager: SystemManager { system.manager == .zypper ? .zypper : .dnf }

    /// What installs the packages of each system that the plan has some of; of the host's own if there are only packages of
    /// languages, whose tools it installs.
    private var managers: [(manager: SystemManager, words: [String])] {
        let named = SystemManager.allCases.filter { manager in
            host.packages.contains { $0.system == manager.system }
                && (manager == .apt || manager == rpmManager)
        }
        let all = named.isEmpty && !languages.commands.isEmpty ? [system.manager] : named
        return all.map { ($0, words(of: $0)) }
    }

    /// `apt-get install` or `dnf install`, then what installs packages of languages.
    ///
    /// - Throws: `Failure` where the plan has packages, and none of that system.
    func install(_ manager: SystemManager) throws(Failure) -> String {
        let others = managers.filter { $0.manager.system != manager.system }
        let words = words(of: manager)
        guard others.isEmpty || host.packages.contains(where: { $0.system == manager.system }) else {
            throw Failure(
                "the plan has packages of \(others[0].manager.system), which \(manager.name) does not install",
                status: ExitStatus.badInput)
        }
        let first =
            words.isEmpty ? "" : "\(manager.command) \(words.map(ShellWord.literal).joined(separator: " "))\n"
        return first + languages.commands.map { $0 + "\n" }.joined()
    }

    /// Lines of passwd(5) and group(5), each added below a folder unless it has one of that name.
    private func accounts(below folder: String) -> [String] {
        host.accounts.filter { !$0.name.isEmpty }.map { account in
            let file = folder + (account.isUser ? "/etc/passwd" : "/etc/group")
            let line = ShellWord.literal(PlanText.text(account.line))
            return "grep -q \(ShellWord.literal("^\(account.name):")) \(file) || echo \(line) >> \(file)"
        }
    }

    /// `install` by what the host has for packages of rpm; dnf where it is no host of these.
    func rpm() throws(Failure) -> String { try install(rpmManager) }

    /// A command of mmdebstrap(1).
    ///
    /// - Throws: `Failure` where the plan has packages of other systems.
    func mmdebstrap() throws(Failure) -> String {
        if let other = managers.first(where: { $0.manager != .apt }) {
            throw Failure(
                "the plan has packages of \(other.manager.system), which mmdebstrap does not install",
                status: ExitStatus.badInput)
        }
        var words = ["mmdebstrap", "--variant=minbase"]
        let packages = self.words(of: .apt)
        if !packages.isEmpty { words.append("--include=" + packages.joined(separator: ",")) }
        // Before packages are configured, which then find the numbers that the files have.
        words += accounts(below: "\"$1\"").map { "--essential-hook=" + $0 }
        words.append("--customize-hook=tar-in \(Self.archive) /")
        words += languages.commands.map { "--customize-hook=chroot \"$1\" \($0)" }
        words += [system.release, "root.tar"]
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
        for (manager, words) in managers {
            lines.append(
                "RUN \(manager.commandOfImage) \\\n    "
                    + words.map(ShellWord.literal).joined(separator: " \\\n    ")
                    + " \\\n && \(manager.cleaning)")
        }
        lines.append("ADD \(Self.archive) /")
        lines += languages.commands.map { "RUN \($0)" }
        if command.folder.count > 1 { lines.append("WORKDIR \(try Self.word(command.folder))") }
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
        "\"" + (try escaped(bytes, "\\\"$")) + "\""
    }

    /// A folder, likewise, without quotes.
    private static func word(_ bytes: [UInt8]) throws(Failure) -> String { try escaped(bytes, "\\\"'$") }

    private static func escaped(_ bytes: [UInt8], _ special: String) throws(Failure) -> String {
        guard !bytes.contains(where: { $0 < 0x20 }) else {
            throw Failure(
                "a Containerfile cannot have a variable or folder that is \(Printable.text(bytes)): take it out of the plan",
                status: ExitStatus.badInput)
        }
        var out = ""
        for character in try text(bytes) {
            if special.contains(character) { out.append("\\") }
            out.append(character)
        }
        return out
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
