import Foundation

/// A root with packages that rpmbuild(8) has built here and rpm(8) has installed there.
package final class RPMSystem {
    /// Whether the tools are here; where the project's checks run they have to be, and a test fails for want of them.
    package static let isThere =
        ["CI": "true", "RETINUE_REQUIRE_PACKAGES": "1"].contains {
            ProcessInfo.processInfo.environment[$0.key] == $0.value
        }
        || (access("/usr/bin/rpmbuild", X_OK) == 0 && getuid() == 0)

    package let folder: String
    package var root: String { folder + "/root" }
    package var database: String { root + "/var/lib/rpm" }

    package init() throws {
        folder = try makeTemporaryFolder()
        try makeFolder(root + "/usr/bin")
        // As every system has it since the merge.
        guard symlink("usr/bin", root + "/bin") == 0 else { throw Failure("symlink") }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The sections of a specification.
    package struct Package {
        package var name: String
        package var version: String
        package var header: String
        /// Commands that make the files below `$R`.
        package var install: String
        package var files: String
        /// As rpmbuild takes it.
        package var options: [String]

        package init(
            name: String, version: String = "1", header: String = "BuildArch: noarch", install: String,
            files: String,
            options: [String] = []
        ) {
            self.name = name
            self.version = version
            self.header = header
            self.install = install
            self.files = files
            self.options = options
        }
    }

    /// A program with a configuration, documentation, a link, a folder of its own and a ghost.
    package static let shop = Package(
        name: "shop", version: "1.2",
        header: """
            BuildArch: noarch
            Epoch: 2
            Requires: base-lib >= 1
            Requires: (base-lib or none-such)
            Requires: (none-such if base-lib)
            Requires: /usr/bin/interpreter
            """,
        install: """
            mkdir -p $R/usr/bin $R/etc/shop.d $R/var/log/shop $R/usr/share/doc/shop $R/var/lib/shop
            echo 'echo hi' > $R/usr/bin/shop
            echo library > $R/usr/bin/shop-part
            ln -s shop $R/usr/bin/shop-link
            echo a=1 > $R/etc/shop.conf
            echo b=1 > $R/etc/other.conf
            echo read > $R/usr/share/doc/shop/README
            touch $R/var/log/shop/ghost.log
            touch $R/usr/bin/empty
            echo odd > "$R/usr/share/doc/shop/a b '\\"ü"
            """,
        files: """
            %attr(755,root,root) /usr/bin/shop
            /usr/bin/shop-part
            /usr/bin/shop-link
            /usr/bin/empty
            %dir /etc/shop.d
            %dir /var/lib/shop
            %config(noreplace) /etc/shop.conf
            %config /etc/other.conf
            %doc /usr/share/doc/shop
            %ghost /var/log/shop/ghost.log
            """)

    /// It provides what `shop` asks for, and lists a file by the name that it has without the merge of /bin.
    package static let base = Package(
        name: "base-lib", header: "BuildArch: noarch\nProvides: system-release = 9",
        install:
            "mkdir -p $R/bin $R/usr/share/base; echo i > $R/bin/interpreter; echo x > $R/usr/share/base/x",
        files: "/bin/interpreter\n/usr/share/base")

    /// Builds a package; the path of the archive.
    package func build(_ package: Package) throws -> String {
        let text = """
            Name: \(package.name)
            Version: \(package.version)
            Release: 3
            Summary: a test
            License: none
            \(package.header)
            %description
            A test.
            %install
            R=%{buildroot}
            \(package.install)
            %files
            \(package.files)

            """
        let name = "\(package.name)-\(package.options.joined().hashValue)"
        try write(text, to: "\(folder)/\(name).spec")
        let top = "\(folder)/top-\(name)"
        _ = try run(
            ["rpmbuild", "-bb", "--quiet", "--define", "_topdir \(top)"] + package.options + [
                "\(folder)/\(name).spec"
            ],
            environment: Child.environment.merging(["HOME": folder]) { $1 })
        let found = FileManager.default.enumerator(atPath: top + "/RPMS")?.compactMap { $0 as? String }
        guard let archive = found?.first(where: { $0.hasSuffix(".rpm") }) else {
            throw Failure("nothing was built")
        }
        return "\(top)/RPMS/\(archive)"
    }

    /// Installs archives in the root, each in a run of its own.
    package func install(_ archives: [String], _ options: [String] = []) throws {
        for archive in archives {
            _ = try rpm(
                ["--nodeps", "--noscripts", "--ignorearch", "--force-debian", "-i"] + options + [archive])
        }
    }

    /// What rpm says of the root.
    @discardableResult
    package func rpm(_ words: [String]) throws -> String {
        let child = try Child(
            ["rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"] + words,
            environment: Child.environment.merging(["HOME": folder]) { $1 })
        // Verifying ends with 1 where something was changed, and asking where a file is nobody's.
        _ = try child.wait()
        guard child.outputText.isEmpty == false || child.errorText.isEmpty || words.contains("-i") else {
            throw Failure("rpm \(words.joined(separator: " ")): \(child.errorText)")
        }
        return child.outputText
    }

    /// Lines of an answer, but for what no package has been asked for (`(contains no files)`).
    package func lines(_ words: [String]) throws -> [String] {
        try rpm(words).split(separator: "\n").map(String.init)
    }

    /// What `rpm -V` says was changed: contents (`5`, `S`), a link (`L`), another kind of file, or that it is missing.
    package func changed(_ package: String) throws -> Set<String> {
        Set(
            try lines(["-V", "--nodeps", "--nomtime", "--nouser", "--nogroup", package]).compactMap { line in
                guard let slash = line.firstIndex(of: "/") else { return nil }
                let marks = line[..<slash]
                guard marks.hasPrefix("missing") || marks.contains(where: { "5SL".contains($0) }) else {
                    return nil
                }
                return String(line[slash...])
            })
    }
}

/// Every name, size and time in a folder: what reading must leave as it was.
package func traces(of folder: String) throws -> String {
    try run(["find", folder, "-printf", "%p %y %s %T@ %C@\n"])
}
