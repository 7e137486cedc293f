"""People who come in by an invitation: their credentials, and their browsers in the room."""

from selenium.webdriver.common.by import By

from .browser import wait_script

JOINED = "window.proscenium.state === 'joined'"


def invite(admin, event, role="speaker", **options):
    """Returns an invitation to an event, with its token and its address."""
    return admin.post(f"/v1/events/{event}/invitations", {"role": role} | options, expect=201).json()


def bearer(studio, invitation):
    """Returns a client with the token that accepting an invitation gives."""
    accepted = studio.api().post(f"/v1/invitations/{invitation['token']}/accept", {}, expect=(200, 201)).json()
    return studio.api(accepted["token"])


def in_the_mirror(driver):
    """Waits until a page shows its own picture before joining."""
    wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")


def join(driver, seconds=30):
    """Presses Join, and waits until the page is in the room."""
    driver.find_element(By.ID, "join").click()
    wait_script(driver, JOINED, seconds, "the page is in the room")


def enter(driver, invitation, query="?media=canvas", seconds=30):
    """Opens an invitation's address, by default with the test picture, and joins; returns the browser."""
    driver.get(f"{invitation['url']}{query}")
    in_the_mirror(driver)
    join(driver, seconds)
    return driver
