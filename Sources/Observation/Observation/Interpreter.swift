/// Programs that run other programs' text, and how their arguments name it.
///
/// Needed because `python3 a.py` and `python3 b.py` are two programs of one executable.
public struct Interpreter: Sendable {
    /// Options that take the next argument as their value.
    private let valued: Set<String>
    /// Options after which there is no script: the program text or a module name is in the arguments.
    private let scriptless: Set<String>
    /// Options whose value is the script.
    private let naming: Set<String>
    /// Whether short options can stand together (`-eu`), so that each letter counts.
    private let bundles: Bool
    /// Whether the first plain argument is the script.
    private let takesPlain: Bool
    /// What the name of a plain script ends with, if not everything qualifies.
    private let suffixes: [String]

    private init(
        valued: Set<String> = [], scriptless: Set<String> = [], naming: Set<String> = [],
        bundles: Bool = false, takesPlain: Bool = true, suffixes: [String] = []
    ) {
        self.valued = valued
        self.scriptless = scriptless
        self.naming = naming
        self.bundles = bundles
        self.takesPlain = takesPlain
        self.suffixes = suffixes
    }

    private static let shell = Interpreter(
        valued: ["-o", "+o", "-O", "+O", "--rcfile", "--init-file"], scriptless: ["-c", "-s"], bundles: true)

    private static let known: [(name: String, interpreter: Interpreter)] = [
        (
            "python",
            Interpreter(
                valued: ["-W", "-X", "-Q", "--check-hash-based-pycs"], scriptless: ["-c", "-m"], bundles: true
            )
        ),
        ("pypy", Interpreter(valued: ["-W", "-X"], scriptless: ["-c", "-m"], bundles: true)),
        ("bash", shell), ("dash", shell), ("ash", shell), ("zsh", shell), ("ksh", shell), ("mksh", shell),
        ("rbash", shell), ("fish", Interpreter(scriptless: ["-c", "--command"])), ("sh", shell),
        ("nodejs", node), ("node", node),
        (
            "bun",
            Interpreter(valued: ["-r", "--preload"], scriptless: ["-e"], suffixes: [".js", ".ts", ".mjs"])
        ),
        ("deno", Interpreter(suffixes: [".js", ".ts", ".mjs", ".tsx"])),
        ("perl", Interpreter(valued: ["-I"], scriptless: ["-e", "-E"])),
        ("ruby", Interpreter(valued: ["-I", "-r", "-C", "-E"], scriptless: ["-e"])),
        (
            "php",
            Interpreter(
                valued: ["-d", "-c", "-z"], scriptless: ["-r", "-B", "-R", "-S"],
                naming: ["-f", "--file", "-F"])
        ),
        ("lua", Interpreter(valued: ["-e", "-l"])), ("luajit", Interpreter(valued: ["-e", "-l"])),
        ("tclsh", Interpreter()), ("wish", Interpreter(naming: ["-f"])),
        ("expect", Interpreter(valued: ["-c"], naming: ["-f"])),
        ("Rscript", Interpreter(scriptless: ["-e"])),
        ("guile", Interpreter(valued: ["-L"], scriptless: ["-c"])),
        ("gawk", awk), ("mawk", awk), ("awk", awk),
        (
            "java",
            Interpreter(
                valued: [
                    "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path",
                    "--add-modules", "--add-opens", "--add-exports", "--add-reads", "--enable-native-access",
                ],
                scriptless: ["-m", "--module"], naming: ["-jar"], suffixes: [".java"])
        ),
        ("dotnet", Interpreter(naming: ["exec"], suffixes: [".dll"])),
        ("mono", Interpreter(suffixes: [".exe"])),
    ]

    private static let node = Interpreter(
        valued: ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"],
        scriptless: ["-e", "--eval", "-p", "--print", "-i", "--interactive"])

    private static let awk = Interpreter(
        valued: ["-F", "-v", "--assign", "--field-separator"], naming: ["-f", "--file"], takesPlain: false)

    /// The interpreter that a file name stands for, a version behind it allowed (`python3.11`).
    public static func named(_ name: String) -> Interpreter? {
        Array(name.utf8).withUnsafeBytes { position(of: $0) }.map { known[$0].interpreter }
    }

    /// Whether a file name stands for an interpreter; asked for every exec.
    static func isKnown(_ name: UnsafeRawBufferPointer) -> Bool { position(of: name) != nil }

    private static func position(of name: UnsafeRawBufferPointer) -> Int? {
        // Most programs are no interpreter, and the first letter tells.
        guard let first = name.first, initials[Int(first)] else { return nil }
        return names.firstIndex { start in
            name.starts(with: start)
                && name[start.count...].allSatisfy { byte in
                    byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                }
        }
    }

    private static let names = known.map { Array($0.name.utf8) }

    private static let initials: [Bool] = {
        var initials = [Bool](repeating: false, count: 256)
        for name in names { initials[Int(name[0])] = true }
        return initials
    }()

    /// The argument that names the script.
    ///
    /// - Parameters:
    ///   - executable: path of the executable.
    ///   - arguments: all of them, with the one that names the program.
    /// - Returns: the argument as written; `nil` if the executable is no known interpreter or runs no
    ///   script here.
    public static func script(executable: [UInt8], arguments: [[UInt8]]) -> [UInt8]? {
        let name = executable.split(separator: UInt8(ascii: "/")).last ?? []
        guard let interpreter = named(String(decoding: name, as: UTF8.self)) else { return nil }
        return interpreter.script(in: Array(arguments.dropFirst()))
    }

    private func script(in arguments: [[UInt8]]) -> [UInt8]? {
        var index = 0
        while index < arguments.count {
            let bytes = arguments[index]
            let text = String(decoding: bytes, as: UTF8.self)
            index += 1
            if naming.contains(text) { return index < arguments.count ? arguments[index] : nil }
            if text == "--" { return plain(index < arguments.count ? arguments[index] : nil) }
            guard text.count > 1, text.first == "-" || (text.first == "+" && valued.contains(text)) else {
                if text == "-" { return nil }
                if let script = plain(bytes) { return script }
                if suffixes.isEmpty { return nil }
                continue
            }
            if scriptless.contains(text) { return nil }
            if valued.contains(text) {
                index += 1
                continue
            }
            if bundles, !text.hasPrefix("--"), let effect = bundled(text) {
                if effect == .scriptless { return nil }
                if effect == .valued { index += 1 }
            }
        }
        return nil
    }

    private enum Effect { case scriptless, valued }

    /// What letters that stand together do: the first that takes a value takes the rest, or, being the
    /// last, the next argument.
    private func bundled(_ text: String) -> Effect? {
        let letters = Array(text.dropFirst())
        for (position, letter) in letters.enumerated() {
            let option = "-\(letter)"
            if scriptless.contains(option) { return .scriptless }
            if valued.contains(option) { return position == letters.count - 1 ? .valued : nil }
        }
        return nil
    }

    private func plain(_ argument: [UInt8]?) -> [UInt8]? {
        guard takesPlain, let argument, !argument.isEmpty else { return nil }
        if suffixes.isEmpty { return argument }
        let text = String(decoding: argument, as: UTF8.self)
        return suffixes.contains { text.hasSuffix($0) } ? argument : nil
    }
}
