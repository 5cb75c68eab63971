/// Programs that run other programs' text, and how their arguments name it.
///
/// Needed because `python3 a.py` and `python3 b.py` are two programs of one executable. A name says which arguments an
/// interpreter takes; `Interpreter+Table.swift` has those that are known.
public struct Interpreter: Sendable {
    /// What an option, or a letter among several, does.
    enum Effect: Sendable {
        case flag
        /// Takes what follows in the argument or, if that is nothing, the next one.
        case value
        /// Takes what follows in the argument, if something does.
        case attached
        /// The same, but only behind one of these; it is a flag else.
        case attachedBehind(String)
        /// Takes those of these characters that follow; other letters come behind.
        case run(String)
        /// Takes the next argument, whatever follows in this one.
        case next
        /// Takes a value that is text of the program; a script may follow.
        case aside
        /// The program's text is in the arguments, or nothing is run at all.
        case text
        /// The program is read from the standard input.
        case input
        /// Its value is the script.
        case script
        /// Its value is a module.
        case module
        /// Its value is a module of Java, perhaps with its main class behind a slash.
        case mainModule
        /// Its value is an application: `module:object`.
        case application
        /// Its value says where modules and classes are looked for.
        case path
        /// Modules are not looked for in the working directory.
        case isolated
        /// No more files of arguments.
        case plainArguments
    }

    /// What the first argument is that is no option.
    enum Plain: Sendable {
        case script
        case text
        /// A script if its name ends so; something else may stand before it.
        case suffixed([String])
        /// The main class of a Java program, or its source.
        case main
        /// Another program, with its arguments: what a dynamic loader runs.
        case program
    }

    /// Which files a name stands for.
    enum Form: Sendable { case file, python, node }

    /// Options that are known by their whole name; `--name=value` is its option too.
    var options: [String: Effect] = [:]
    /// Letters of arguments such as `-eu`; without any, no letters stand together.
    var letters: [Character: Effect] = [:]
    var plain = Plain.script
    var form = Form.file
    /// Whether options begin with `+` too.
    var takesPlus = false
    /// Whether the standard input is the program if the arguments have none.
    var readsInput = false
    /// Whether what follows an option that is not known may be its value. Then nobody can say where the script is, but
    /// for options that begin like one of these.
    var flags: [String]?
    /// Words that may stand before the script.
    var commands: Set<String> = []
    /// Whether `@file` stands for the arguments in a file.
    var takesArgumentFiles = false

    /// The longest argument that can be a path (PATH_MAX) or an option.
    static let longest = 4096

    /// What arguments say that an executable runs.
    ///
    /// - Parameters:
    ///   - executable: its path; of a copy under another name, that of the original.
    ///   - arguments: all of them, with the one that names the program.
    ///   - isWhole: whether these are all; else the last ones were cut off.
    ///   - contents: reads a file that the arguments name and that holds further ones.
    public static func interpreted(
        executable: [UInt8], arguments: [[UInt8]], isWhole: Bool = true,
        contents: (_ name: [UInt8]) -> [UInt8]? = { _ in nil }
    ) -> Interpreted {
        read(executable, arguments[...], isWhole, contents, depth: 0)
    }

    private static func read(
        _ executable: [UInt8], _ arguments: ArraySlice<[UInt8]>, _ isWhole: Bool,
        _ contents: ([UInt8]) -> [UInt8]?, depth: Int
    ) -> Interpreted {
        guard depth < 3, !arguments.isEmpty else { return .nothing }
        var arguments = arguments
        var name = lastComponent(executable)
        if isMultiCall(name) {
            // What it is, the name says by which it was called, or the first argument.
            name = lastComponent(arguments[arguments.startIndex])
            if name.first == UInt8(ascii: "-") { name.removeFirst() }
            if isMultiCall(name) {
                arguments = arguments.dropFirst()
                guard let applet = arguments.first else { return .nothing }
                name = applet
            }
            guard let applet = applet(name) else { return Self.named(applet: name) }
            return applet.walk(Array(arguments.dropFirst()), isWhole, contents, depth)
        }
        guard let interpreter = interpreter(name) else { return .nothing }
        return interpreter.walk(Array(arguments.dropFirst()), isWhole, contents, depth)
    }

    static func lastComponent(_ path: [UInt8]) -> [UInt8] {
        path.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
    }

    // MARK: - The walk through the arguments

    private struct Walk {
        var isIsolated = false
        var hasText = false
        var takesArgumentFiles: Bool
        var argumentFiles = 0
        /// Where modules and classes are looked for; `nil` where nothing says so.
        var path: [UInt8]?
    }

    private func walk(
        _ given: [[UInt8]], _ isWhole: Bool, _ contents: ([UInt8]) -> [UInt8]?, _ depth: Int
    ) -> Interpreted {
        var arguments = given
        var index = 0
        var walk = Walk(takesArgumentFiles: takesArgumentFiles)
        func atEnd() -> Interpreted {
            if !isWhole { return .unknown }
            return readsInput && !walk.hasText ? .input : .nothing
        }
        while index < arguments.count {
            let argument = arguments[index]
            index += 1
            if argument.isEmpty || argument.count > Self.longest {
                // No option, and no name of a file.
                if case .text = plain { return .nothing }
                return .unknown
            }
            if walk.takesArgumentFiles, argument.first == UInt8(ascii: "@") {
                // A file that names itself has no end.
                walk.argumentFiles += 1
                guard walk.argumentFiles <= 16, let bytes = contents(Array(argument.dropFirst())) else {
                    return .unknown
                }
                index -= 1
                arguments.replaceSubrange(index...index, with: ArgumentFile.arguments(of: bytes))
                continue
            }
            let text = String(decoding: argument, as: UTF8.self)
            if text == "--" {
                guard index < arguments.count else { return atEnd() }
                return taken(arguments, at: index, walk, isWhole, contents, depth) ?? .unknown
            }
            if text == "-" { return readsInput ? .input : .nothing }
            guard text.first == "-" || (takesPlus && text.first == "+") else {
                if commands.contains(text) { continue }
                if let found = taken(arguments, at: index - 1, walk, isWhole, contents, depth) {
                    return found
                }
                continue
            }
            if let result = option(text, argument, arguments, &index, &walk, contents, isWhole) {
                return result
            }
        }
        return atEnd()
    }

    /// What an option comes to; `nil` if the walk goes on.
    private func option(
        _ text: String, _ argument: [UInt8], _ arguments: [[UInt8]], _ index: inout Int, _ walk: inout Walk,
        _ contents: ([UInt8]) -> [UInt8]?, _ isWhole: Bool
    ) -> Interpreted? {
        if let effect = options[text] {
            return apply(effect, attached: nil, arguments, &index, &walk, isWhole)
        }
        if text.hasPrefix("--") || letters.isEmpty {
            if let equals = argument.firstIndex(of: UInt8(ascii: "=")) {
                let name = String(decoding: argument[..<equals], as: UTF8.self)
                guard let effect = options[name] else { return nil }
                return apply(
                    effect, attached: Array(argument[(equals + 1)...]), arguments, &index, &walk, isWhole)
            }
            // Its value, or what comes next?
            if let flags, !flags.contains(where: { text.hasPrefix($0) }), index < arguments.count,
                arguments[index].first != UInt8(ascii: "-")
            {
                return .unknown
            }
            return nil
        }
        return bundle(argument, arguments, &index, &walk, isWhole)
    }

    /// Letters that stand together.
    private func bundle(
        _ argument: [UInt8], _ arguments: [[UInt8]], _ index: inout Int, _ walk: inout Walk, _ isWhole: Bool
    ) -> Interpreted? {
        var rest = argument.dropFirst()
        while let letter = rest.popFirst() {
            let next = rest.first.map { Character(UnicodeScalar($0)) }
            switch letters[Character(UnicodeScalar(letter))] ?? .flag {
            case .flag: continue
            case .attached: return nil
            case .attachedBehind(let signs):
                if let next, signs.contains(next) { return nil }
            case .run(let signs):
                rest = rest.drop { signs.contains(Character(UnicodeScalar($0))) }
            case .next:
                index += 1
                if index > arguments.count, !isWhole { return .unknown }
            case .isolated: walk.isIsolated = true
            case let effect:
                let value = rest.isEmpty ? nil : Array(rest)
                return apply(effect, attached: value, arguments, &index, &walk, isWhole)
            }
        }
        return nil
    }

    private func apply(
        _ effect: Effect, attached: [UInt8]?, _ arguments: [[UInt8]], _ index: inout Int, _ walk: inout Walk,
        _ isWhole: Bool
    ) -> Interpreted? {
        switch effect {
        case .flag, .attached, .attachedBehind, .run: return nil
        case .isolated: walk.isIsolated = true
        case .plainArguments: walk.takesArgumentFiles = false
        case .text: return .nothing
        case .input: return .input
        case .value, .next, .aside, .path, .script, .module, .mainModule, .application:
            var value = attached
            if value == nil {
                guard index < arguments.count else { return isWhole ? .nothing : .unknown }
                value = arguments[index]
                index += 1
            }
            guard let value, value.count <= Self.longest else { return .unknown }
            let rest = Array(arguments[min(index, arguments.count)...])
            switch effect {
            case .aside: walk.hasText = true
            case .path: walk.path = value
            case .script: return value.isEmpty ? .unknown : file(value, rest)
            case .module: return module(value, rest, walk)
            case .mainModule:
                let parts = value.split(separator: UInt8(ascii: "/"), maxSplits: 1)
                return parts.last.map { mainClass(Array($0), []) } ?? .unknown
            case .application: return ApplicationServer.application(value, in: nil) ?? .unknown
            default: break
            }
        }
        return nil
    }

    /// What the first argument is that is no option; `nil` if it is nothing yet.
    private func taken(
        _ arguments: [[UInt8]], at index: Int, _ walk: Walk, _ isWhole: Bool,
        _ contents: ([UInt8]) -> [UInt8]?, _ depth: Int
    ) -> Interpreted? {
        let argument = arguments[index]
        guard !argument.isEmpty, argument.count <= Self.longest else { return .unknown }
        let rest = Array(arguments[(index + 1)...])
        switch plain {
        case .text: return .nothing
        case .script: return file(argument, rest)
        case .suffixed(let suffixes):
            let text = String(decoding: argument, as: UTF8.self)
            return suffixes.contains { text.hasSuffix($0) } ? file(argument, rest) : nil
        case .main:
            if argument.ends(with: ".java") { return file(argument, rest) }
            return mainClass(argument, walk.path)
        case .program:
            // Without a slash it is looked for among the libraries.
            guard argument.contains(UInt8(ascii: "/")) else { return .unknown }
            let inner = Self.read(argument, arguments[index...], isWhole, contents, depth: depth + 1)
            if case .named = inner { return inner }
            return .file(argument)
        }
    }

    /// The script, or the application that it is there to run.
    private func file(_ name: [UInt8], _ rest: [[UInt8]]) -> Interpreted {
        if let application = ApplicationServer.named(Self.lastComponent(name))?.application(in: rest) {
            return application
        }
        switch form {
        case .file: return .file(name)
        case .python: return .named(.init(files: [name, name + Array("/__main__.py".utf8)]))
        case .node:
            return .named(
                .init(files: [name] + [".js", "/index.js", ".json"].map { name + Array($0.utf8) }))
        }
    }

    /// A module of Python: one of the working directory goes before all others, which have their names alone.
    private func module(_ name: [UInt8], _ rest: [[UInt8]], _ walk: Walk) -> Interpreted {
        guard PublicName.isDotted(name) else { return .unknown }
        if let application = ApplicationServer.named(name)?.application(in: rest) { return application }
        let path = PublicName.path(name)
        let files = ["/__main__.py", ".py"].map { path + Array($0.utf8) }
        return .named(.init(files: walk.isIsolated ? [] : files, name: name))
    }

    /// A class of Java: its file, where the class path has a folder with it, else its name.
    private func mainClass(_ argument: [UInt8], _ classPath: [UInt8]?) -> Interpreted {
        let name = argument.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: ".") : $0 }
        guard PublicName.isDotted(name, also: Array("$-".utf8)) else { return .unknown }
        let folders = (classPath ?? Array(".".utf8)).split(separator: UInt8(ascii: ":")).map(Array.init)
        let files = folders.filter { !$0.ends(with: ".jar") && $0.last != UInt8(ascii: "*") }.prefix(16)
        let path = PublicName.path(name) + Array(".class".utf8)
        return .named(.init(files: files.map { $0 + Array("/".utf8) + path }, name: name))
    }
}

extension Collection<UInt8> where Self: BidirectionalCollection {
    func ends(with text: String) -> Bool { reversed().starts(with: text.utf8.reversed()) }
}
