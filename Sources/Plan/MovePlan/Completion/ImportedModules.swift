import Glibc
import LanguagePackages

/// The modules that the sources of a script ask for by name, and where they lie: what an interpreter read before anybody
/// watched it.
///
/// A module that is imported is opened once and closed, so that a running program shows none of its sources; and an
/// interpreter lists its folders instead of asking for a name, so that no look-up fails where one is missing. The statements
/// are read line by line, as people write them: what is made at run time (`importlib`, a computed `require`) is not found.
struct ImportedModules {
    /// A module outside of the folder of the script.
    struct Module {
        /// Its file, without links.
        var file: [UInt8]
        /// What has to be there for it: the topmost folder of its name, or the file.
        var path: [UInt8]
        /// The source that asks for it.
        var by: [UInt8]
    }

    private let tree: HostTree
    private let language: Language
    private let folders: [[UInt8]]
    private(set) var modules: [Module] = []
    /// The sources that no package has, as far as they are not in a module's tree.
    private(set) var sources: [[UInt8]] = []
    private var seen: Set<[UInt8]> = []
    /// Sources that are read; more are no script's own.
    private static let most = 4000

    /// Whose statements are read.
    enum Language {
        case python, perl, node

        /// Of an interpreter, by its name.
        init?(interpreter: [UInt8]) {
            let name = String(decoding: interpreter.lastName, as: UTF8.self)
            if name.hasPrefix("python") || name.hasPrefix("pypy") {
                self = .python
            } else if name.hasPrefix("perl") {
                self = .perl
            } else if name == "node" || name == "nodejs" {
                self = .node
            } else {
                return nil
            }
        }

        var suffix: String {
            switch self {
            case .python: ".py"
            case .perl: ".pm"
            case .node: ".js"
            }
        }
    }

    /// Reads a script and what it imports.
    ///
    /// - Parameters:
    ///   - folder: one with further sources of it: its working directory (`gunicorn shop:app`).
    ///   - isOwned: whether a package has a path: what that asks for in turn, the package's dependencies bring.
    init?(_ tree: HostTree, of program: PlannedProgram, and folder: [UInt8]?, isOwned: ([UInt8]) -> Bool) {
        guard let language = Language(interpreter: program.executable), !program.script.isEmpty else {
            return nil
        }
        (self.tree, self.language) = (tree, language)
        folders = Self.folders(tree, language, program)
        var waiting = [program.script] + (folder.map { sources(below: $0) } ?? [])
        sources = waiting.filter { !isOwned($0) }
        while let source = waiting.popLast(), seen.count < Self.most {
            guard seen.insert(source).inserted, let text = tree.contents(source) else { continue }
            for name in Self.names(in: text, language) {
                guard let place = place(of: name, from: source.parent) else { continue }
                guard let file = tree.way(place.file).end, let top = tree.way(place.top).end else { continue }
                let isPackages = isOwned(file)
                if !isPackages { waiting.append(file) }
                if !isPackages, top == file, !sources.contains(file) { sources.append(file) }
                guard seen.insert(isPackages ? file : top).inserted || top == file else { continue }
                modules.append(Module(file: file, path: top, by: source))
                guard !isPackages, let status = tree.status(top), status.st_mode & S_IFMT == S_IFDIR else {
                    continue
                }
                waiting += sources(below: top)
            }
        }
    }

    /// Where the interpreter looks, the script's own folder first.
    private static func folders(_ tree: HostTree, _ language: Language, _ program: PlannedProgram)
        -> [[UInt8]]
    {
        var folders = [program.script.parent]
        if let process = program.process, process.folder.count > 1 { folders.append(process.folder) }
        let usr = Array("/usr/lib".utf8)
        func matching(_ folder: [UInt8], _ prefix: String, _ then: String) -> [[UInt8]] {
            tree.names(in: folder).filter { $0.starts(with: prefix.utf8) }.map {
                folder + [UInt8(ascii: "/")] + $0 + Array(then.utf8)
            }
        }
        switch language {
        case .python:
            for variable in program.process?.environment ?? [] where variable.starts(with: "PYTHONPATH=".utf8)
            {
                folders += variable.dropFirst("PYTHONPATH=".utf8.count).split(separator: UInt8(ascii: ":"))
                    .map(Array.init)
            }
            // venv(3): the environment in which the script lies, or by whose interpreter it was started.
            for start in [program.script] + (program.process?.arguments.prefix(2) ?? [])
            where start.first == UInt8(ascii: "/") {
                for folder in start.ancestors where tree.status(folder + Array("/pyvenv.cfg".utf8)) != nil {
                    folders += matching(folder + Array("/lib".utf8), "python", "/site-packages")
                }
            }
            folders += matching(Array("/usr/local/lib".utf8), "python", "/dist-packages")
            folders.append(Array("/usr/lib/python3/dist-packages".utf8))
            // Red Hat's, and any that was built by hand.
            for base in ["/usr/local/lib64", "/usr/local/lib", "/usr/lib64", "/usr/lib"] {
                folders += matching(Array(base.utf8), "python3.", "/site-packages")
            }
            for folder in folders
            where folder.lastName.suffix("-packages".utf8.count).elementsEqual("-packages".utf8) {
                folders += PythonPaths.folders(of: folder, root: tree.root)
            }
            for base in [usr, Array("/usr/lib64".utf8), Array("/usr/local/lib".utf8)] {
                folders += matching(base, "python3.", "") + matching(base, "python3.", "/lib-dynload")
            }
        case .perl:
            // perlvar(1), @INC as Debian has it.
            for folder in [
                "/etc/perl", "/usr/share/perl5", "/usr/share/perl5/vendor_perl", "/usr/lib64/perl5",
                "/usr/lib64/perl5/vendor_perl",
            ] { folders.append(Array(folder.utf8)) }
            for base in ["/usr/local/share/perl", "/usr/share/perl"] {
                folders += matching(Array(base.utf8), "", "")
            }
            for triplet in tree.names(in: usr) where triplet.contains(UInt8(ascii: "-")) {
                let base = usr + [UInt8(ascii: "/")] + triplet
                folders += matching(base, "perl5", "") + matching(base, "perl-base", "")
                folders += matching(base + Array("/perl".utf8), "", "")
            }
        case .node:
            for folder in [
                "/usr/lib/nodejs", "/usr/share/nodejs", "/usr/lib/node_modules",
                "/usr/local/lib/node_modules",
            ] {
                folders.append(Array(folder.utf8))
            }
        }
        return folders
    }

    /// Names of modules, as parts: `a.b` is `a`, `b`; behind an empty part a name is relative to its source.
    static func names(in text: [UInt8], _ language: Language) -> [[String]] {
        var found: [[String]] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = String(decoding: line, as: UTF8.self).split(whereSeparator: {
                $0 == " " || $0 == "\t" || $0 == ";" || $0 == "\r"
            })
            switch language {
            case .python:
                guard let first = words.first, words.count > 1 else { continue }
                if first == "from" {
                    let name = words[1].split(separator: ".", omittingEmptySubsequences: false).map(
                        String.init)
                    // `from . import name`, `from package import module`: the names may be modules.
                    let isRelative = name.first == ""
                    let base = isRelative ? [""] + name.filter { !$0.isEmpty } : name
                    found.append(base)
                    guard words.count > 3, words[2] == "import" else { continue }
                    for word in words[3...] where word != "as" {
                        let word = word.filter { $0 != "," && $0 != "(" && $0 != ")" }
                        if Self.isName(word) { found.append(base + [word]) }
                    }
                } else if first == "import" {
                    // `import a.b as c, d`
                    let rest = words.dropFirst().joined(separator: " ").split(separator: ",")
                    for part in rest {
                        let name = part.split(separator: " ").first ?? ""
                        found.append(name.split(separator: ".").map(String.init))
                    }
                }
            case .perl:
                guard words.count > 1, words[0] == "use" || words[0] == "require" else { continue }
                found.append(words[1].split(separator: ":").map(String.init))
            case .node:
                let line = String(decoding: line, as: UTF8.self)
                for part in line.split(whereSeparator: { $0 == "\"" || $0 == "'" || $0 == "`" }).indices
                    .dropFirst()
                {
                    let parts = line.split(whereSeparator: { $0 == "\"" || $0 == "'" || $0 == "`" })
                    guard
                        parts[part - 1].hasSuffix("require(") || parts[part - 1].hasSuffix("from ")
                            || parts[part - 1].hasSuffix("import ") || parts[part - 1].hasSuffix("import(")
                    else { continue }
                    let name = parts[part].split(separator: "/", omittingEmptySubsequences: false).map(
                        String.init)
                    // `./x` and `../x` lie in the folder that moves anyway.
                    if name.first != ".", name.first != "..", name.first != "" { found.append(name) }
                }
            }
        }
        return found.filter { !$0.isEmpty && $0.allSatisfy { Self.isName($0) || $0.isEmpty } }
    }

    private static func isName(_ word: String) -> Bool {
        !word.isEmpty
            && word.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0)
                    || "_-@.".utf8.contains($0)
            } && word != "." && word != ".."
    }

    /// The file of a module, and what has to be there for it: the topmost folder of its name.
    private func place(of name: [String], from source: [UInt8]) -> (file: [UInt8], top: [UInt8])? {
        var folders = folders
        var name = name
        if name.first == "" {
            name.removeFirst()
            folders = [source]
        } else if language == .node {
            folders = ([source] + source.ancestors).map { $0 + Array("/node_modules".utf8) } + folders
        }
        guard let first = name.first else { return nil }
        for folder in folders {
            let top = folder + Array("/\(first)".utf8)
            if language == .node {
                if tree.status(top) != nil { return (top + Array("/package.json".utf8), top) }
                continue
            }
            let whole = folder + Array("/\(name.joined(separator: "/"))".utf8)
            let endings = language == .python ? [".py", "/__init__.py"] : [language.suffix]
            for ending in endings where tree.status(whole + Array(ending.utf8)) != nil {
                let file = whole + Array(ending.utf8)
                return (file, tree.status(top) != nil ? top : file)
            }
            guard language == .python, name.count == 1 else { continue }
            // An extension: `name.cpython-311-x86_64-linux-gnu.so`.
            if let library = tree.names(in: folder).first(where: {
                $0.starts(with: "\(first).".utf8) && $0.suffix(3).elementsEqual(".so".utf8)
            }) {
                let file = folder + [UInt8(ascii: "/")] + library
                return (file, file)
            }
        }
        return nil
    }

    private func sources(below folder: [UInt8]) -> [[UInt8]] {
        FolderContents.files(tree, folder, most: Self.most).filter {
            $0.suffix(3).elementsEqual(language.suffix.utf8)
        }
    }
}
