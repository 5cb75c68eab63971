import Foundation

/// The tools of languages, each without a network, in a home of its own.
package enum LanguageTools {
    /// Whether a tool is here. Where the project's checks run pip and gem have to be, in `make test-packages` npm as well: a test
    /// fails for want of them.
    package static func isThere(_ path: String) -> Bool {
        let environment = ProcessInfo.processInfo.environment
        let isRequired =
            environment["RETINUE_REQUIRE_PACKAGES"] == "1"
            || (environment["CI"] == "true" && !path.hasSuffix("npm"))
        return isRequired || access(path, X_OK) == 0
    }

    /// Runs a tool; what it says.
    @discardableResult
    package static func run(
        _ command: [String], home: String, folder: String? = nil, more: [String: String] = [:]
    )
        throws -> String
    {
        let own = [
            "HOME": home, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "LC_ALL": "C.UTF-8", "npm_config_update_notifier": "false",
            "npm_config_audit": "false", "npm_config_fund": "false",
        ]
        return try TestSupport.run(
            command, environment: Child.environment.merging(own) { $1 }.merging(more) { $1 }, folder: folder)
    }
}

/// A virtual environment, and packages that were built here.
package final class Python {
    package static let isThere = LanguageTools.isThere("/usr/bin/pip3")

    package let folder: String
    package var environment: String { folder + "/venv" }
    package var modules: String {
        let name = (try? FileManager.default.contentsOfDirectory(atPath: environment + "/lib"))?.first ?? ""
        return "\(environment)/lib/\(name)/site-packages"
    }

    package init(in folder: String) throws {
        self.folder = folder
        // setuptools builds, and is the system's.
        try LanguageTools.run(
            ["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", environment],
            home: folder)
    }

    @discardableResult
    package func pip(_ words: [String]) throws -> String {
        try LanguageTools.run(
            ["/usr/bin/python3", "-m", "pip", "--python", environment] + words, home: folder)
    }

    /// Writes a project, with its modules in `src` or beside its metadata; its folder.
    package func project(_ name: String, isFlat: Bool = false, files: [String: String] = [:]) throws -> String
    {
        let place = "\(folder)/projects/\(name)"
        let module = name.replacingOccurrences(of: "-", with: "")
        let modules = isFlat ? "\(place)/\(module)" : "\(place)/src/\(module)"
        try makeFolder(modules)
        try write(
            """
            [build-system]
            requires = ["setuptools"]
            build-backend = "setuptools.build_meta"
            [project]
            name = "\(name)"
            version = "1.5"
            scripts = { \(name) = "\(module):main" }
            [tool.setuptools.packages.find]
            where = ["\(isFlat ? "." : "src")"]

            """, to: place + "/pyproject.toml")
        try write("from . import part\ndef main(): print(part.x)\n", to: modules + "/__init__.py")
        try write("x = 1\n", to: modules + "/part.py")
        for (name, text) in files { try write(text, to: "\(modules)/\(name)") }
        return place
    }

    /// Builds a wheel of a project; where it lies.
    package func wheel(_ project: String) throws -> String {
        let place = folder + "/wheels"
        try LanguageTools.run(
            [
                "/usr/bin/python3", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", place,
                project,
            ], home: folder)
        let name = (project as NSString).lastPathComponent.replacingOccurrences(of: "-", with: "_")
        let wheels = try FileManager.default.contentsOfDirectory(atPath: place)
        guard let wheel = wheels.first(where: { $0.hasPrefix(name) }) else {
            throw Failure("no wheel of \(name)")
        }
        return "\(place)/\(wheel)"
    }
}
