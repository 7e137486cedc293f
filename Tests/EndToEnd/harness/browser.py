"""Headless Chromium on our pages."""

from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from .waiting import wait_until


@contextmanager
def chromium(profile, log, size=(1000, 860)):
    """Starts a browser with a profile of its own, and ends it with all its processes."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio",
        "--autoplay-policy=no-user-gesture-required", "--disable-background-networking", "--no-first-run",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("acceptInsecureCerts", True)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver", log_output=str(log)))
    try:
        driver.set_page_load_timeout(90)
        driver.set_script_timeout(90)
        yield driver
    finally:
        driver.quit()


def script_value(driver, expression):
    return driver.execute_script(f"return {expression}")


def wait_script(driver, expression, seconds, what, interval=0.1):
    """Waits until an expression of the page is true, and returns it."""
    return wait_until(
        lambda: script_value(driver, expression), seconds,
        lambda: f"{what}: {expression} is not true; {page_state(driver)}", interval,
    )


def page_state(driver):
    """What the page says of itself, and its console."""
    state = driver.execute_script("return window.proscenium ? JSON.stringify(window.proscenium.summary) : 'no state'")
    console = "\n".join(entry["message"] for entry in driver.get_log("browser")[-20:])
    return f"state {state}\nconsole:\n{console}"


def screenshot(driver, artefacts, name):
    path = Path(artefacts) / name
    driver.save_screenshot(str(path))
    print(f"screenshot: {path}")
    return path
