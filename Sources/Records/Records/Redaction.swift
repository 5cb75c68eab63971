/// What neither a dump nor a plan may show of a process.
public enum Redaction {
    /// What stands in the place of something that may be secret.
    public static let mark = Array("[redacted]".utf8)

    /// Options of interpreters whose next argument is program text.
    private static let texts: Set<[UInt8]> = Set(
        ["-c", "-e", "-E", "--eval", "-r", "--command"].map { Array($0.utf8) })
    private static let secrets = [
        "pass", "secret", "token", "apikey", "api-key", "api_key", "credential", "private",
    ]
    /// Variables whose values say how a program runs, and never who it is.
    private static let shown: Set<String> = [
        "HOME", "JAVA_HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "NODE_ENV", "NODE_PATH",
        "PATH", "PGDATA",
        "PYTHONHOME", "PYTHONPATH", "SHELL", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "XDG_RUNTIME_DIR",
    ]

    /// Arguments without what may be secret: the text behind `-c` and the like, the value of an option whose name speaks
    /// of one, and a password in an address.
    public static func arguments(_ all: [[UInt8]]) -> [[UInt8]] {
        var shown: [[UInt8]] = []
        var isNextHidden = false
        var isSecret = false
        let name = all.first.map { lastName($0) } ?? []
        let word = name.prefix { isLetter($0) }
        let isShell = shells.contains(word)
        let isInterpreter = isShell || interpreters.contains(word)
        for (number, argument) in all.enumerated() {
            if isNextHidden {
                // `postgres -c config_file=…` is a setting; a text of any language has blanks, brackets or semicolons.
                shown.append(isSecret || isInterpreter || isText(argument) ? mark : withoutPassword(argument))
                (isNextHidden, isSecret) = (false, false)
            } else if number > 0, texts.contains(argument) || isShell && takesText(argument) {
                shown.append(argument)
                isNextHidden = true
            } else if number > 0, let password = attachedPassword(argument, of: name) {
                shown.append(password)
                isNextHidden = argument.count == 2
                isSecret = isNextHidden
            } else if number > 0, speaksOfSecret(argument) {
                if let equals = argument.firstIndex(of: UInt8(ascii: "=")) {
                    shown.append(argument[...equals] + mark)
                } else {
                    shown.append(argument)
                    isNextHidden = argument.first == UInt8(ascii: "-")
                    isSecret = isNextHidden
                }
            } else if number > 0, isInterpreter, argument.first == UInt8(ascii: "-"), isText(argument) {
                // `perl -e'…'`, `node --eval=…`.
                shown.append(mark)
            } else {
                shown.append(withoutPassword(argument))
            }
        }
        return shown
    }

    /// `bash -lc TEXT`: options of a letter each, `c` among them.
    private static func takesText(_ argument: [UInt8]) -> Bool {
        argument.count > 2 && argument.first == UInt8(ascii: "-") && argument.contains(UInt8(ascii: "c"))
            && argument.dropFirst().allSatisfy { isLetter($0) || (65...90).contains($0) }
    }

    /// `mysql -pSECRET`, `sshpass -p SECRET`: what is shown of it; `nil` for any other option.
    private static func attachedPassword(_ argument: [UInt8], of name: ArraySlice<UInt8>) -> [UInt8]? {
        guard argument.starts(with: "-p".utf8) else { return nil }
        let isClient = name.starts(with: "mysql".utf8) || name.starts(with: "mariadb".utf8)
        guard isClient && argument.count > 2 || name.elementsEqual("sshpass".utf8) else { return nil }
        return argument.count == 2 ? argument : Array("-p".utf8) + mark
    }

    private static let shells = ["bash", "dash", "ksh", "sh", "zsh"].map { Array($0.utf8)[...] }
    private static let interpreters = ["lua", "node", "perl", "php", "python", "ruby"].map {
        Array($0.utf8)[...]
    }

    private static func lastName(_ path: [UInt8]) -> ArraySlice<UInt8> {
        path[(path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte) }

    private static func isText(_ argument: [UInt8]) -> Bool {
        argument.contains { " \t\n;(){}<>|&$`'\"".utf8.contains($0) }
    }

    /// `NAME=value` of those whose values may be shown, the names of the others.
    public static func environment(_ all: [[UInt8]]) -> [[UInt8]] {
        all.compactMap { variable in
            guard let equals = variable.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { return nil }
            let name = String(decoding: variable[..<equals], as: UTF8.self)
            return shown.contains(name) || name.hasPrefix("LC_") ? variable : Array(variable[..<equals])
        }
    }

    private static func speaksOfSecret(_ argument: [UInt8]) -> Bool {
        let name = argument.prefix { $0 != UInt8(ascii: "=") }
        let text = String(decoding: name, as: UTF8.self).lowercased()
        // A path is no option, whatever it is called.
        return !text.hasPrefix("/") && secrets.contains { text.contains($0) }
    }

    /// `scheme://user:password@host`; a password may have an `@` as well.
    private static func withoutPassword(_ argument: [UInt8]) -> [UInt8] {
        guard let scheme = argument.firstRange(of: Array("://".utf8)) else { return argument }
        let authority = argument[scheme.upperBound...].prefix { !"/?#".utf8.contains($0) }
        guard let at = authority.lastIndex(of: UInt8(ascii: "@")),
            let colon = authority[..<at].firstIndex(of: UInt8(ascii: ":"))
        else { return argument }
        return argument[...colon] + mark + argument[at...]
    }
}
