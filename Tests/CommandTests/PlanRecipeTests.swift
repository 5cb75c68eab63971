import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What other tools are to do by a plan.
@Suite("recipes of a plan")
struct PlanRecipeTests {
    @Test func recipes() throws {
        try PlanFolder.with { folder in
            #expect(
                try PlanFolder.export(folder, "--apt").output
                    == "apt-get install --no-install-recommends python3 lib:amd64\n")
            #expect(
                try PlanFolder.export(folder, "--apt", "--exact-versions").output
                    == "apt-get install --no-install-recommends python3=3.11.2-1 'lib:amd64=1:2~b'\n")
            let containerfile = try PlanFolder.export(folder, "--containerfile", "--exact-versions")
            #expect(
                containerfile.output == #"""
                    # shop of web1, by its plan. What it copies: retinue plan export FILE --tar files.tar
                    FROM debian:bookworm
                    RUN grep -q '^shop:' /etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> /etc/passwd ; \
                        grep -q '^shop:' /etc/group || echo shop:x:991: >> /etc/group
                    RUN apt-get update && apt-get install -y --no-install-recommends \
                        python3=3.11.2-1 \
                        'lib:amd64=1:2~b' \
                     && rm -rf /var/lib/apt/lists/*
                    ADD files.tar /
                    WORKDIR /srv/shop
                    USER 990:991
                    ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                    ENV TZ="UTC"
                    ENV LANG="a b"
                    ENV PRICE="\$5 'x'"
                    EXPOSE 80/tcp
                    ENTRYPOINT ["/usr/bin/python3", "/srv/shop.py", "a \"b\" $c"]

                    """#)
            let unversioned = try PlanFolder.export(folder, "--mmdebstrap").output
            #expect(
                unversioned == #"""
                    mmdebstrap \
                      --variant=minbase \
                      --include=python3,lib:amd64 \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> "$1"/etc/passwd' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/group || echo shop:x:991: >> "$1"/etc/group' \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
            let bootstrap = try PlanFolder.export(folder, "--mmdebstrap", "--exact-versions").output
            #expect(
                bootstrap == #"""
                    mmdebstrap \
                      --variant=minbase \
                      '--include=python3=3.11.2-1,lib:amd64=1:2~b' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> "$1"/etc/passwd' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/group || echo shop:x:991: >> "$1"/etc/group' \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
        }
    }

    /// Without packages, accounts and ports; and what a shell, a Containerfile or a list would take for its own.
    @Test func recipesOfFilesAlone() throws {
        try PlanFolder.with { folder in
            let text = #"""
                schema: retinue-plan/1
                program: shop
                made: 2026-11-27T00:00:00Z
                hosts:
                - host: h1
                  programs:
                  - executable: /opt/shop/run
                    start: before
                    process:
                      user: 0
                      group: 0
                      groups: []
                      capabilities: "0"
                      arguments: [/opt/shop/run, "it's", "a\\nb", "#x", "$HOME", '`id`', "%p"]
                      folder: "/srv/my $shop"
                      environment: ["A=b c", "B=\\\\ # $"]
                  entries:
                  - {path: /opt/shop, kind: tree, treatment: pre-copy, bytes: 5}

                """#
            try folder.write(text, "plan.yaml")
            #expect(try PlanFolder.export(folder, "--apt") == .init(status: 0, output: "", errors: ""))
            #expect(
                try PlanFolder.export(folder, "--containerfile").output == #"""
                    # shop of h1, by its plan. What it copies: retinue plan export FILE --tar files.tar
                    FROM debian:bookworm
                    ADD files.tar /
                    WORKDIR /srv/my \$shop
                    USER 0:0
                    ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                    ENV A="b c"
                    ENV B="\\ # \$"
                    ENTRYPOINT ["/opt/shop/run", "it's", "a\nb", "#x", "$HOME", "`id`", "%p"]

                    """#)
            #expect(
                try PlanFolder.export(folder, "--mmdebstrap").output == #"""
                    mmdebstrap \
                      --variant=minbase \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
            // A variable of two lines is none there.
            for (part, other) in [("A=b c", #"A=b\\nc"#), ("/srv/my $shop", #"/srv/a\\nb"#)] {
                try folder.write(text.replacing(part, with: other), "plan.yaml")
                let outcome = try PlanFolder.export(folder, "--containerfile")
                #expect(outcome.status == 2 && outcome.output.isEmpty, "\(outcome)")
                #expect(outcome.errors.contains("a Containerfile cannot have a variable or folder that is "))
            }
        }
    }

    /// A plan of a host of rpm, with packages of languages that are fetched and one that is copied.
    private static let otherPackages = """
        schema: retinue-plan/1
        program: shop
        made: 2026-11-27T00:00:00Z
        hosts:
        - host: h1
          programs:
          - {executable: /usr/bin/python3, start: before, process: {arguments: [python3], folder: /, user: 0, group: 0,
              groups: [], capabilities: "0", environment: []}}
          packages:
          - {system: rpm, name: python3, version: "3.13.1-2.fc41"}
          - {system: rpm, name: glibc.i686, version: "2:2.40-1"}
          - {system: python, name: flask, version: "3.0", folder: /srv/app/venv/lib/python3.13/site-packages}
          - {system: python, name: own, version: "1", source: "git+https://x.example/own@12ab", folder: /srv/app/venv/lib/python3.13/site-packages}
          - {system: python, name: wide, version: "2", folder: /usr/local/lib/python3.13/site-packages}
          - {system: python, name: kept, version: "2", copied: true, folder: /usr/local/lib/python3.13/site-packages}
          - {system: npm, name: "@a/b", version: "1.0.0", integrity: sha512-x, folder: "/srv/it's"}
          - {system: npm, name: "@a/b", version: "0.9.0", folder: "/srv/it's"}
          - {system: gem, name: rack, version: "2.2", folder: /var/lib/gems/3.3.0}
          entries: []

        """

    @Test func recipesOfOtherPackages() throws {
        try PlanFolder.with { folder in
            try folder.write(Self.otherPackages, "plan.yaml")
            try folder.write("ID=fedora\nVERSION_ID=41\n", "root/etc/os-release")
            let languages = [
                "gem install --install-dir /var/lib/gems/3.3.0 --ignore-dependencies --no-document --version 2.2 rack",
                "npm install --prefix '/srv/it'\\''s' --no-save --no-audit --no-fund @a/b@1.0.0",
                "python3 -m pip --python /srv/app/venv install --no-deps flask==3.0 'own @ git+https://x.example/own@12ab'",
                "python3 -m pip install --no-deps --break-system-packages wide==2",
            ]
            let dnf = try PlanFolder.export(folder, "--dnf", "--exact-versions")
            #expect(
                dnf.output
                    == "dnf install --setopt=install_weak_deps=False python3-3.13.1-2.fc41 glibc-2:2.40-1.i686 "
                    + "python3-pip npm rubygems\n" + languages.map { $0 + "\n" }.joined(), "\(dnf)")
            let image = try PlanFolder.export(folder, "--containerfile").output
            #expect(
                image.contains(
                    "FROM fedora:41\nRUN dnf install -y --setopt=install_weak_deps=False \\\n    python3 \\\n    glibc.i686 \\\n"
                        + "    python3-pip \\\n    npm \\\n    rubygems \\\n && dnf clean all\nADD files.tar /\n"
                        + languages.map { "RUN \($0)\n" }.joined() + "USER 0:0\n"), "\(image)")
            // What another system's tools do not install is not left out in silence.
            for (form, name) in [("--apt", "apt-get"), ("--mmdebstrap", "mmdebstrap")] {
                let refused = try PlanFolder.export(folder, form)
                #expect(refused.status == 2 && refused.output.isEmpty)
                #expect(
                    refused.errors
                        == "retinue: the plan has packages of rpm, which \(name) does not install\n")
            }
            for (release, start) in [
                (
                    "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\n",
                    "FROM opensuse/leap:15.6\nRUN zypper --non-interactive"
                ),
                (
                    "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
                    "FROM rockylinux/rockylinux:9\nRUN dnf "
                ),
                (
                    "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
                    "FROM almalinux:9\nRUN dnf "
                ),
                ("ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", "FROM redhat/ubi9\nRUN dnf "),
            ] {
                try folder.write(release, "root/etc/os-release")
                let text = try PlanFolder.export(folder, "--containerfile").output
                #expect(text.contains(start), "\(text)")
            }
        }
    }

    /// On a Debian host that has packages of languages alone.
    @Test func recipesOfLanguages() throws {
        try PlanFolder.with { folder in
            let text = Self.otherPackages.split(separator: "\n").filter {
                !$0.contains("system: rpm") && !$0.contains("npm")
            }
            .joined(separator: "\n")
            try folder.write(text, "plan.yaml")
            let apt = try PlanFolder.export(folder, "--apt").output
            #expect(
                apt.hasPrefix("apt-get install --no-install-recommends python3-pip ruby\ngem install "),
                "\(apt)")
            let bootstrap = try PlanFolder.export(folder, "--mmdebstrap").output
            #expect(bootstrap.contains("--include=python3-pip,ruby \\\n"))
            #expect(
                bootstrap.contains(
                    "'--customize-hook=tar-in files.tar /' \\\n  '--customize-hook=chroot \"$1\" gem install "
                ))
            #expect(
                try folder.retinue("plan", "check", "plan.yaml").output.contains("1 programs, 4 packages"))
            // Names that no line can have.
            try folder.write(
                text.replacingOccurrences(of: "/var/lib/gems", with: "'/var/\\xffx'").replacingOccurrences(
                    of: "'/var/\\xffx'/3.3.0", with: "'/var/\\xffx'"), "plan.yaml")
            let refused = try PlanFolder.export(folder, "--apt")
            #expect(
                refused.status == 2
                    && refused.errors.contains(
                        "a recipe cannot name /var/\u{fffd}x, into which rack is installed"),
                "\(refused)")
            for (key, value, sentence) in [
                (
                    "system: gem", "system: cargo",
                    "hosts[0].packages[4].system: `cargo` is none of debian, rpm"
                ),
                ("folder: /var/lib/gems/3.3.0", "reason: x", "`folder` is missing"),
                (
                    "folder: /var/lib/gems/3.3.0", "folder: gems",
                    "hosts[0].packages[4].folder: not an absolute path"
                ),
                ("system: gem", "system: debian", "`folder` and `copied` are for packages of languages"),
            ] {
                try folder.write(text.replacingOccurrences(of: key, with: value), "plan.yaml")
                let outcome = try folder.retinue("plan", "check", "plan.yaml")
                #expect(outcome.status == 2 && outcome.errors.contains(sentence), "\(outcome)")
            }
        }
    }
}
