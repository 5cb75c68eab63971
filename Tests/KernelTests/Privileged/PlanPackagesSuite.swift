import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Plans with packages of other systems than dpkg, planned from records, and carried out.
    @Suite("plans with packages of rpm and pip")
    struct PlanPackagesSuite {
        /// A system of two packages, in which a shell is all that there is.
        private static let shell = RPMSystem.Package(
            name: "shell", header: "Provides: system-release = 1",
            install: """
                mkdir -p $R/usr/bin $R/etc
                cp "$(command -v busybox)" $R/usr/bin/busybox
                ln -s busybox $R/usr/bin/sh
                ln -s busybox $R/usr/bin/env
                """,
            files: "/usr/bin/busybox\n/usr/bin/sh\n/usr/bin/env",
            // As it is: what rpmbuild would strip and index is Debian's.
            options: ["--define", "__os_install_post %{nil}", "--define", "debug_package %{nil}"])

        private static let shop = RPMSystem.Package(
            name: "shop", header: "BuildArch: noarch\nRequires: /bin/sh",
            install: """
                mkdir -p $R/usr/bin $R/usr/share/shop $R/etc $R/var/lib/shop
                printf '#!/bin/sh\\n. /etc/shop.conf\\nread -r page < /usr/share/shop/page\\n' > $R/usr/bin/shop
                printf '[ "$page" = welcome ] && exec /usr/bin/busybox httpd -f -p 127.0.0.1:8766 -h "$pages"\\n' >> $R/usr/bin/shop
                echo pages=/usr/share/none > $R/etc/shop.conf
                echo welcome > $R/usr/share/shop/page
                """,
            files: """
                %attr(755,root,root) /usr/bin/shop
                %config(noreplace) /etc/shop.conf
                /usr/share/shop
                %dir /var/lib/shop
                """)

        private static let check = "curl -fs http://127.0.0.1:8766/ | grep -qx 'page of the shop'"

        @Test(.timeLimit(.minutes(2))) func plannedTriedAndExported() throws {
            let system = try RPMSystem()
            try system.install([system.build(Self.shell), system.build(Self.shop)])
            try write("pages=/var/lib/shop\n", to: system.root + "/etc/shop.conf")
            try write("page of the shop\n", to: system.root + "/var/lib/shop/index.html")
            try write("ID=fedora\nVERSION_ID=41\n", to: system.root + "/etc/os-release")
            let before = try traces(of: system.root)
            let list = system.folder + "/list.csv"
            let rows = [
                "/usr/bin/shop", "/usr/bin/busybox", "/usr/share/shop/page", "/var/lib/shop/index.html",
            ].map {
                "one,/usr/bin/shop,file,r,one,\($0),1,,"
            }
            try write(rows.map { $0 + "\n" }.joined(), to: list)
            let plan = system.folder + "/plan.yaml"
            func retinue(_ words: [String]) throws -> String {
                try run(
                    [try Products.path("retinue"), "plan"] + words + [
                        "--root", words.contains("--from") ? "one=\(system.root)" : system.root,
                    ])
            }
            _ = try retinue(["/usr/bin/shop", "--from", list, "-o", plan])
            let text = try String(contentsOfFile: plan, encoding: .utf8)
            #expect(
                text.contains("system: \"rpm\"")
                    && text.contains("a configuration file of shop that was changed"), "\(text)")
            let tried = try retinue([
                "try", plan, "--start", "exec /usr/bin/shop", "--check", Self.check, "-o",
                system.folder + "/tried.yaml",
            ])
            #expect(tried == "it runs, and the check succeeds; 0 paths were added to the plan\n", "\(tried)")
            let recipe = try retinue(["export", plan, "--containerfile", "--start", "exec /usr/bin/shop"])
            #expect(
                recipe.contains(
                    "FROM fedora:41\nRUN dnf install -y --setopt=install_weak_deps=False \\\n    shell \\\n    shop \\\n && dnf clean all\nADD files.tar /\n"
                ), "\(recipe)")
            _ = try retinue(["export", plan, "--tar", system.folder + "/files.tar"])
            let archived = try run(["tar", "-t", "-f", system.folder + "/files.tar"])
            #expect(archived.contains("etc/shop.conf") && archived.contains("var/lib/shop/index.html"))
            #expect(!archived.contains("usr/bin/shop") && !archived.contains("busybox"))
            #expect(try traces(of: system.root) == before, "the original was touched")
        }

        /// A virtual environment without the packages that can be fetched, and the recipe's own words in place of them: the same
        /// files as before, and a program that runs.
        @Test(.timeLimit(.minutes(2))) func aVirtualEnvironmentWithPackagesFetchedAnew() throws {
            // Where files move: not below /tmp.
            var template = Array("/srv/retinue-test-XXXXXX".utf8CString)
            try makeFolder("/srv")
            guard mkdtemp(&template) != nil else { throw Failure("mkdtemp: \(errno)") }
            let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let before = folder + ".before"
            defer { for place in [folder, before] { try? FileManager.default.removeItem(atPath: place) } }
            let python = try Python(in: folder)
            _ = try python.wheel(python.project("shop-lib"))
            try python.pip(["install", "--find-links", folder + "/wheels", "shop-lib"])
            try write("import shoplib\nshoplib.main()\n", to: folder + "/app.py")
            let list = folder + "/list.csv"
            let module = python.modules + "/shoplib/__init__.py"
            try write("one,\(folder)/app.py,file,r,one,\(module),1,,\n", to: list)
            func retinue(_ words: [String]) throws -> String {
                try run([try Products.path("retinue"), "plan"] + words)
            }
            let plan = folder + "/plan.yaml"
            _ = try retinue([
                "\(folder)/app.py", "--from", list, "--root", "one=/", "--language-packages", "-o", plan,
            ])
            let commands = try retinue(["export", plan, "--apt"]).split(separator: "\n").filter {
                $0.contains(" pip ")
            }
            #expect(
                commands == ["python3 -m pip --python \(folder)/venv install --no-deps shop-lib==1.5"],
                "\(commands)")
            _ = try retinue(["export", plan, "--tar", folder + "/files.tar"])
            guard rename(folder, before) == 0 else { throw Failure("rename: \(errno)") }
            _ = try run(["tar", "-x", "-p", "-C", "/", "-f", before + "/files.tar"])
            #expect(access(module, F_OK) != 0 && access(folder + "/venv/bin/shop-lib", F_OK) != 0)
            #expect(access(folder + "/venv/pyvenv.cfg", F_OK) == 0)
            try LanguageTools.run(
                ["sh", "-ec", String(commands.first ?? "false")], home: before,
                more: ["PIP_FIND_LINKS": before + "/wheels", "PATH": "/usr/bin:/bin"])
            let answer = try LanguageTools.run(
                [folder + "/venv/bin/python", folder + "/app.py"], home: before)
            #expect(answer == "1\n")
            _ = try run(["diff", "-r", "--exclude=__pycache__", before + "/venv", folder + "/venv"])
        }
    }
}
