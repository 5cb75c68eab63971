import TestSupport

extension Expectation {
    /// Works out from a trace what a dump must say.
    ///
    /// - Parameters:
    ///   - folder: the working folder of the first process.
    ///   - ignoring: executables whose doings do not count (the helper that enters the control group).
    init(trace: StraceParser, world: FileWorld, folder: String, ignoring: Set<String> = []) {
        var reader = TraceReader(trace: trace, world: world, folder: folder, ignoring: ignoring)
        reader.readAll()
        self = reader.result
        complaints += trace.notUnderstood.map { "not understood: \($0)" }
    }
}

/// Replays a trace: who was which program when, and what did it open meanwhile.
private struct TraceReader {
    /// One process; a class, because its threads share it.
    private final class Process {
        var folder: String
        /// `nil` before the first exec, and while the program is one that is ignored.
        var image: ProgramName?
        /// What was opened since the fork; `nil` from the first exec on.
        var sinceFork: [FileFact]?
        var images: Set<ProgramName> = []
        var opened: Set<Expectation.Use> = []
        let inherited: Set<Expectation.Use>

        init(folder: String, image: ProgramName?, inherited: Set<Expectation.Use>) {
            self.folder = folder
            self.image = image
            self.inherited = inherited
            if let image { images.insert(image) }
        }
    }

    private let events: [TraceEvent]
    private let world: FileWorld
    private let ignoring: Set<String>
    private let firstFolder: String
    private var processes: [Int32: Process] = [:]
    private var all: [Process] = []
    /// Clones by the number that they returned; a number may come again.
    private var births: [Int32: [TracedCall]] = [:]
    /// Lines of clones whose child has already been met.
    private var born: Set<Int> = []
    /// Names given to `mkdir`, relative ones as they are.
    private var madeFolders: Set<String> = []
    private(set) var result = Expectation()

    private static let cloning: Set<String> = ["clone", "clone3", "fork", "vfork"]

    init(trace: StraceParser, world: FileWorld, folder: String, ignoring: Set<String>) {
        events = trace.events
        self.world = world
        self.ignoring = ignoring
        firstFolder = folder
        for case .call(let call) in events {
            if Self.cloning.contains(call.name), let child = call.result, child > 0 {
                births[Int32(child), default: []].append(call)
            }
            // Needed before the facts: whether a path that is gone was a folder.
            if call.name == "mkdir" || call.name == "mkdirat", call.result == 0 {
                let path =
                    call.arguments.count > 1 && call.name == "mkdirat" ? call.arguments[1] : call.arguments[0]
                if let bytes = StraceText.string(path) { madeFolders.insert(BytePath.text(of: bytes)) }
            }
        }
    }

    mutating func readAll() {
        for event in events {
            switch event {
            case .call(let call): read(call)
            case .ended(let thread, _): processes[thread] = nil
            case .superseded(let thread, let other, _):
                processes[thread] = processes[other]
                processes[other] = nil
            }
        }
        result.processes = all.count
        result.lives = all.map {
            Expectation.Life(images: $0.images, opened: $0.opened, inherited: $0.inherited)
        }
        result.facts.opens.subtract(result.facts.directories)
    }

    /// The process of a thread; made on its first line, which may stand before the end of its clone.
    private mutating func process(of thread: Int32, at line: Int) -> Process {
        if let known = processes[thread] { return known }
        let birth = births[thread]?.filter { $0.begin < line && !born.contains($0.begin) }
            .min { $0.begin < $1.begin }
        guard let birth else {
            if !all.isEmpty { result.complaints.append("nobody started \(thread), line \(line + 1)") }
            let first = Process(folder: firstFolder, image: nil, inherited: [])
            processes[thread] = first
            all.append(first)
            return first
        }
        return beginLife(of: thread, birth)
    }

    @discardableResult
    private mutating func beginLife(of thread: Int32, _ birth: TracedCall) -> Process {
        born.insert(birth.begin)
        let parent = process(of: birth.thread, at: birth.begin)
        if birth.arguments.contains(where: { $0.firstRange(of: "CLONE_THREAD".utf8) != nil }) {
            processes[thread] = parent
            return parent
        }
        let child = Process(
            folder: parent.folder, image: parent.image, inherited: parent.inherited.union(parent.opened))
        child.sinceFork = []
        processes[thread] = child
        all.append(child)
        return child
    }

    private mutating func read(_ call: TracedCall) {
        let process = process(of: call.thread, at: call.begin)
        guard let value = call.result else { return }
        if Self.cloning.contains(call.name) {
            if value > 0, !born.contains(call.begin) { beginLife(of: Int32(value), call) }
            return
        }
        if call.name == "connect", value == 0 || call.error == "EINPROGRESS" {
            return connected(call, process)
        }
        guard value >= 0 else { return }
        switch call.name {
        case "open", "creat", "openat", "openat2": opened(call, process)
        case "execve", "execveat": executed(call, process)
        case "chdir":
            process.folder = world.realPath(path(call.arguments[0], in: process.folder) ?? process.folder)
        case "fchdir": process.folder = StraceText.note(call.arguments[0]).map(pathText) ?? process.folder
        case "rename", "renameat", "renameat2": renamed(call, process)
        case "link", "linkat": linked(call, process)
        case "accept", "accept4": accepted(call, process)
        default: break
        }
    }

    // MARK: Files

    private mutating func opened(_ call: TracedCall, _ process: Process) {
        guard let note = call.resultNote else { return }
        if call.name.hasPrefix("openat"), call.arguments[0].starts(with: "AT_FDCWD<".utf8),
            let folder = StraceText.note(call.arguments[0])
        {
            process.folder = pathText(folder)
        }
        let flags = flags(of: call)
        // O_PATH opens nothing, and a nameless file has no path to depend on.
        if flags.contains("O_PATH") || flags.contains("O_TMPFILE") { return }
        let path = pathText(note)
        // Devices (`/dev/null<char 1:3>`) and pipes are no files that could be copied.
        if note.contains(UInt8(ascii: "<")) || !path.hasPrefix("/") || world.isExcluded(path) { return }
        let writes = flags.contains("O_WRONLY") || flags.contains("O_RDWR") || call.name == "creat"
        let isFolder = flags.contains("O_DIRECTORY")
        let kind = world.kind(path)
        if kind == .other { return }
        for letter in writes ? ["r", "w"] as [Character] : ["r"] {
            process.opened.insert(Expectation.Use(path: path, letter: letter))
            // Before the first exec that counts there is no program, but its image will be reported.
            let program = process.image ?? ProgramName(executable: "")
            let fact = FileFact(program: program, path: path, letter: letter)
            process.sinceFork?.append(fact)
            if process.image != nil { add(fact, isFolder: isFolder || kind == .directory || wasFolder(path)) }
        }
    }

    private mutating func add(_ fact: FileFact, isFolder: Bool) {
        if isFolder {
            result.facts.directories.insert(fact)
        } else {
            result.facts.opens.insert(fact)
        }
    }

    /// Whether a path that may be gone was made by `mkdir`; the trace has the name as it was given.
    private func wasFolder(_ path: String) -> Bool {
        guard world.kind(path) == .gone else { return false }
        return madeFolders.contains { path == $0 || path.hasSuffix("/" + $0) }
    }

    private func flags(of call: TracedCall) -> Set<String> {
        let text: [UInt8]
        switch call.name {
        case "open": text = call.arguments.count > 1 ? call.arguments[1] : []
        case "creat": text = []
        case "openat2":
            let fields =
                call.arguments.count > 2 ? StraceText.split(call.arguments[2].dropFirst().dropLast()) : []
            text = fields.first { $0.starts(with: "flags=".utf8) }.map { Array($0.dropFirst(6)) } ?? []
        default: text = call.arguments.count > 2 ? call.arguments[2] : []
        }
        return Set(text.split(separator: UInt8(ascii: "|")).map { String(decoding: $0, as: UTF8.self) })
    }

    private mutating func renamed(_ call: TracedCall, _ process: Process) {
        guard let program = process.image else { return }
        let paths: [String?]
        if call.name == "rename" {
            paths = call.arguments.prefix(2).map { path($0, in: process.folder) }
        } else {
            paths = [0, 2].map { index in
                let folder = StraceText.note(call.arguments[index]).map(pathText) ?? process.folder
                return path(call.arguments[index + 1], in: folder)
            }
        }
        let names = paths.compactMap { $0.map(settled) }
        for path in names {
            for letter: Character in ["r", "w"] {
                result.allowed.insert(FileFact(program: program, path: path, letter: letter))
            }
        }
        guard names.count == 2 else { return }
        // What was opened below a folder that then got another name is now found there: an open that
        // cannot be ordered against the rename may be reported under both.
        for fact in result.facts.opens.union(result.facts.directories)
        where fact.path.hasPrefix(names[0] + "/") {
            let path = names[1] + fact.path.dropFirst(names[0].count)
            result.allowed.insert(FileFact(program: fact.program, path: path, letter: fact.letter))
        }
    }

    /// Who links a file to a name has written what stands under that name.
    private mutating func linked(_ call: TracedCall, _ process: Process) {
        guard let program = process.image else { return }
        var name: String?
        if call.name == "link" {
            name = path(call.arguments[1], in: process.folder)
        } else {
            let folder = StraceText.note(call.arguments[2]).map(pathText) ?? process.folder
            name = path(call.arguments[3], in: folder)
        }
        guard let name = name.map(settled), !world.isExcluded(name) else { return }
        result.allowed.insert(FileFact(program: program, path: name, letter: "w"))
    }

    /// The path with the symbolic links of its folder resolved, but not of its last component.
    private func settled(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return path }
        return world.realPath(String(path[..<slash])) + path[slash...]
    }

    // MARK: Programs

    private mutating func executed(_ call: TracedCall, _ process: Process) {
        let isAt = call.name == "execveat"
        var given: String?
        if isAt {
            let folder = StraceText.note(call.arguments[0]).map(pathText) ?? process.folder
            given = path(call.arguments[1], in: folder)
            // AT_EMPTY_PATH: the descriptor is the program.
            if call.arguments[1] == Array("\"\"".utf8) { given = folder }
        } else {
            given = path(call.arguments[0], in: process.folder)
        }
        if given == "/proc/self/exe", let own = process.image { given = own.executable }
        let list = call.arguments[isAt ? 2 : 1]
        guard let given else { return }
        let arguments = StraceText.strings(list)
        var (program, executed) = world.image(of: given, arguments: arguments)
        if program.script == nil, let script = ScriptArgument.find(program.executable, arguments) {
            program.script = world.realPath(resolve(BytePath.text(of: script), in: process.folder))
        }
        let before = process.image
        let between = process.sinceFork ?? []
        process.sinceFork = nil
        if ignoring.contains(program.executable) {
            process.image = nil
            return
        }
        process.image = program
        process.images.insert(program)
        if let before { result.facts.spawns.insert(SpawnFact(program: before, child: program)) }
        for path in executed where !world.isExcluded(path) {
            process.opened.insert(Expectation.Use(path: path, letter: "x"))
            result.facts.executed.insert(FileFact(program: program, path: path, letter: "x"))
            // What is executed is also opened, by the kernel; a record may say so or not.
            result.allowed.insert(FileFact(program: program, path: path, letter: "r"))
        }
        if let script = program.script {
            result.allowed.insert(FileFact(program: program, path: script, letter: "x"))
        }
        for fact in between {
            let isFolder = result.facts.directories.contains(fact)
            add(FileFact(program: program, path: fact.path, letter: fact.letter), isFolder: isFolder)
        }
    }

    private func path(_ argument: [UInt8], in folder: String) -> String? {
        StraceText.string(argument).map { resolve(BytePath.text(of: $0), in: folder) }
    }

    private func resolve(_ path: String, in folder: String) -> String {
        path.hasPrefix("/") ? path : folder + "/" + path
    }

    /// The path in a note; what follows an inner bracket says only what it is.
    private func pathText(_ note: [UInt8]) -> String {
        BytePath.text(of: StraceText.unescape(note.prefix { $0 != UInt8(ascii: "<") }))
    }

    // MARK: Sockets

    private mutating func connected(_ call: TracedCall, _ process: Process) {
        guard let program = process.image, call.arguments.count > 1,
            let note = StraceText.note(call.arguments[0]), note.starts(with: "TCP".utf8),
            let endpoint = SocketText.endpoint(structure: call.arguments[1])
        else { return }
        result.facts.sockets.insert(SocketFact(program: program, relation: "connect", endpoint: endpoint))
    }

    private mutating func accepted(_ call: TracedCall, _ process: Process) {
        guard let program = process.image, let note = call.resultNote, note.starts(with: "TCP".utf8),
            let endpoint = SocketText.localEndpoint(note: note)
        else { return }
        result.facts.sockets.insert(SocketFact(program: program, relation: "accept", endpoint: endpoint))
    }
}
