import MovePlan

/// What installs the packages of languages that a plan does not copy: behind the archive, since the virtual environment or the
/// application is in that.
struct LanguageRecipe {
    private let packages: [PlannedPackage]

    /// - Throws: `Failure` where a folder has a name that no line of a recipe can have.
    init(_ host: HostPlan) throws(Failure) {
        packages = host.packages.filter { !$0.isSystem && !$0.isCopied }
        for package in packages {
            let folder = package.folder ?? []
            guard String(validating: folder, as: UTF8.self) != nil, folder.allSatisfy({ $0 >= 0x20 }) else {
                throw Failure(
                    "a recipe cannot name \(String(decoding: folder, as: UTF8.self)), into which \(package.name) is installed: "
                        + "make the plan without --language-packages",
                    status: ExitStatus.badInput)
            }
        }
    }

    /// Packages of a system that have the languages' tools.
    func tools(of manager: SystemManager) -> [String] {
        let systems = Set(packages.map(\.system))
        return [("python", "python3-pip"), ("npm", "npm"), ("gem", manager == .dnf ? "rubygems" : "ruby")]
            .filter { systems.contains($0.0) }.map(\.1)
    }

    /// Commands of a shell, one for each folder; nothing but what is named is installed, since the rest was copied.
    var commands: [String] {
        let folders = Dictionary(grouping: packages) {
            [$0.system, String(decoding: $0.folder ?? [], as: UTF8.self)]
        }
        return folders.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap { key, packages in
            let folder = key[1]
            switch key[0] {
            case "python": return [python(packages, folder)]
            case "npm": return [npm(packages, folder)]
            default: return gems(packages, folder)
            }
        }
    }

    /// pip 22.3 and later install for another interpreter, whose environment has none then.
    private func python(_ packages: [PlannedPackage], _ folder: String) -> String {
        let parts = folder.split(separator: "/").map(String.init)
        // TOP/lib/python3.11/site-packages: a virtual environment, but for the system's own.
        let top = "/" + parts.dropLast(3).joined(separator: "/")
        let isSystems = parts.count < 4 || ["/", "/usr", "/usr/local"].contains(top)
        let wanted = packages.map { package in
            package.source.map { "\(package.name) @ \($0)" } ?? "\(package.name)==\(package.version)"
        }
        return command(
            ["python3", "-m", "pip"] + (isSystems ? [] : ["--python", top]) + ["install", "--no-deps"]
                + (isSystems ? ["--break-system-packages"] : []) + wanted)
    }

    private func npm(_ packages: [PlannedPackage], _ folder: String) -> String {
        // One that is there twice is another's besides, which brings it.
        var seen: Set<String> = []
        let wanted = packages.filter { seen.insert($0.name).inserted }.map { package in
            package.source ?? "\(package.name)@\(package.version)"
        }
        return command(
            ["npm", "install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund"] + wanted)
    }

    private func gems(_ packages: [PlannedPackage], _ folder: String) -> [String] {
        packages.map { package in
            command([
                "gem", "install", "--install-dir", folder, "--ignore-dependencies", "--no-document",
                "--version",
                package.version, package.name,
            ])
        }
    }

    private func command(_ words: [String]) -> String { words.map(ShellWord.literal).joined(separator: " ") }
}
